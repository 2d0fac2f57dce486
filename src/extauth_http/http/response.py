"""TODO."""

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from extauth_http.http.response_parser import Headers
from extauth_http.protocol.verdict import UndecidedError

if TYPE_CHECKING:
    pass


MAX_KIND = 100
"""Letters of a content type that get into the log: a service must not be able to fill it."""


@dataclass(frozen=True, slots=True)
class Response:
    """What the service said: a status, headers with lower-case names, and a whole body. What it
    said may be a token, so only the status is in ``repr``."""

    status: int
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)

    def json(self) -> Any:
        """The body as JSON. Raises Undecided (``not_an_answer``) where it is none, or is JSON that
        two readers could read differently (a name twice in one object, NaN)."""
        try:
            return _JSON.decode(self.body.decode())
        except (ValueError, RecursionError):
            kind = self.header(b"content-type") or "no content type"
            if len(kind) > MAX_KIND or not kind.isprintable():
                kind = "an odd content type"
            raise UndecidedError(
                "not_an_answer", f"status {self.status}, body is not JSON ({kind})"
            ) from None

    def header(self, name: bytes) -> str:
        """A header's value, or an empty string; ``name`` in lower case. Values that differ are all
        in it, with commas between (RFC 9110 section 5.3): none of them counts alone. The text is
        UTF-8, or else ISO 8859-1 as HTTP once had it."""
        value = b", ".join(dict.fromkeys(value for key, value in self.headers if key == name))
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.decode("latin-1")

    def undecided(self) -> UndecidedError:
        """What to raise for a status that is neither a yes nor a no."""
        detail = f"the service answered with status {self.status}"
        if 300 <= self.status < 400:
            detail += "; redirects are not followed"
        return UndecidedError(f"http_{self.status}", detail)


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_JSON = json.JSONDecoder(object_pairs_hook=_unambiguous, parse_constant=_no_constant)
