"""The response that a backend gets."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from extauth_http.http.response_parser import RawHeaders
from extauth_http.protocol.verdict import UndecidedError

CONTENT_TYPES = frozenset(
    {
        "application/json",
        "application/problem+json",
        "application/x-www-form-urlencoded",
        "application/xml",
        "text/html",
        "text/plain",
    }
)
"""The content types that are shown to people. Another one may hold anything, even a password."""


class Headers(Mapping[str, str]):
    """Headers by name; upper and lower case are the same.

    The values of a header that is there several times are joined with commas (RFC 9110 section
    5.3), equal ones once: no single one of them can be taken for the only one. A value is text in
    UTF-8, else in ISO 8859-1. ``repr`` shows names alone.
    """

    __slots__ = ("_values",)

    def __init__(self, raw: RawHeaders) -> None:
        found: dict[str, list[bytes]] = {}
        for name, value in raw:
            values = found.setdefault(name.decode("latin-1").lower(), [])
            if value not in values:
                values.append(value)
        self._values = {name: _text(b", ".join(values)) for name, values in found.items()}

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Headers({', '.join(self._values)})"


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


@dataclass(frozen=True, slots=True)
class Response:
    """A response with its whole body. ``raw_headers`` have names in lower case.

    A body or header may be a credential: ``repr`` shows the status alone.
    """

    status_code: int
    raw_headers: RawHeaders = field(default=(), repr=False)
    content: bytes = field(default=b"", repr=False)

    @property
    def headers(self) -> Headers:
        """The headers by name. Made at each access: most backends need none."""
        return Headers(self.raw_headers)

    @property
    def text(self) -> str:
        """The body as UTF-8. Bytes that are not UTF-8 become U+FFFD."""
        return self.content.decode(errors="replace")

    @property
    def content_type(self) -> str:
        """The content type for people, without parameters: one of CONTENT_TYPES, "another content
        type" or "no content type"."""
        name = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if name in CONTENT_TYPES:
            return name
        return "another content type" if name else "no content type"

    def json(self) -> Any:
        """The body as JSON.

        Raises UndecidedError (``not_an_answer``) if it is not JSON, or is JSON that two parsers
        could read differently: a name that occurs twice in one object, NaN, Infinity.
        """
        try:
            return strict_json(self.content)
        except (ValueError, RecursionError):
            detail = f"status {self.status_code}, body is not JSON ({self.content_type})"
            raise UndecidedError("not_an_answer", detail) from None

    def json_object(self) -> dict[str, Any]:
        """The body as a JSON object. Raises UndecidedError (``not_an_answer``) if it is not one."""
        found = self.json()
        if not isinstance(found, dict):
            raise UndecidedError("not_an_answer", "expected a JSON object")
        return found

    def undecided(self) -> UndecidedError:
        """The error to raise for a status that is neither a yes nor a no: ``http_503``, for
        example."""
        detail = f"the service answered with status {self.status_code}"
        if 300 <= self.status_code < 400:
            detail += "; redirects are not followed"
        return UndecidedError(f"http_{self.status_code}", detail)


def strict_json(data: bytes) -> Any:
    """JSON that no two parsers can read differently. Raises ValueError and RecursionError."""
    return _JSON.decode(data.decode())


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice in one object")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_JSON = json.JSONDecoder(object_pairs_hook=_unambiguous, parse_constant=_no_constant)
