"""A request and its bytes (RFC 9112)."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from math import inf
from urllib.parse import urlencode

from extauth_http.config.endpoint import Endpoint
from extauth_http.http.failure import RequestFailedError, Step
from extauth_http.http.response_parser import RawHeaders

_TO_JSON = json.JSONEncoder(ensure_ascii=False).encode


@dataclass(frozen=True, slots=True)
class Request:
    """``headers`` are all headers as they are sent, ``Host`` and ``Content-Length`` included.
    ``method`` is in upper case. ``request_id`` is the value of ``X-Request-ID``: if a response has
    this header, it must have the same value. ``connect_due`` is a time of ``time.monotonic()`` at
    which the connection must be there; the deadline of the command, if it is earlier, counts."""

    method: bytes
    endpoint: Endpoint
    headers: RawHeaders = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    request_id: bytes = b""
    connect_due: float = inf


def encode_body(json_value: object, form: Mapping[str, str] | None) -> tuple[bytes, bytes]:
    """A form, JSON or nothing, and its content type."""
    if form is not None:
        return urlencode(form).encode(), b"application/x-www-form-urlencoded"
    if json_value is not None:
        return _TO_JSON(json_value).encode(), b"application/json"
    return b"", b""


_CONTROLS = bytes({*range(0x20), 0x7F} - {ord("\t")})
_TARGET = re.compile(rb"[\x21-\x7e]+")
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


SENT_BY_ENGINE = frozenset(
    {
        *("accept-encoding", "cache-control", "connection", "content-length", "host"),
        *("transfer-encoding", "x-request-id"),
    }
)
"""Headers that this package sends itself, in lower case. Nothing else can set them."""

SENT_ONCE = SENT_BY_ENGINE | {"accept", "authorization", "content-type", "user-agent"}
"""Headers that occur once: if there are two, each server decides for itself which one counts."""


def refuse_headers(names: Iterable[str], taken: Iterable[str] = ()) -> None:
    """Raises RequestFailedError (``bad_request``) for headers that a caller cannot set: those of
    SENT_BY_ENGINE, those in ``taken``, and any of SENT_ONCE twice. Case does not count."""
    seen = {*SENT_BY_ENGINE, *(name.lower() for name in taken)}
    for name in map(str.lower, names):
        if name in seen:
            detail = f"the request would have two {name} headers, or one that must not be set"
            raise RequestFailedError("bad_request", detail, Step.PREPARE)
        if name in SENT_ONCE:
            seen.add(name)


@lru_cache
def _is_token(name: bytes) -> bool:
    """Whether this can be a method or the name of a header: few values, none of them secret."""
    return _TOKEN.fullmatch(name) is not None


def serialize_request(method: bytes, target: bytes, headers: RawHeaders, body: bytes) -> bytes:
    """The bytes of a request; ``target`` is the path and query, or what a proxy needs instead.

    Raises RequestFailedError (``bad_request``) for a value that would end its line early: the rest
    of it would be read as another header or request.
    """
    parts = [method, b" ", target, b" HTTP/1.1\r\n"]
    for name, value in headers:
        parts += (name, b": ", value, b"\r\n")
    parts.append(b"\r\n")
    head = b"".join(parts)
    controls = len(head) - len(head.translate(None, _CONTROLS))
    is_valid = (
        controls == 2 * (len(headers) + 2)  # CR and LF at the end of each line, and no other.
        and _TARGET.fullmatch(target)
        and _is_token(method)
        and all(_is_token(name) for name, _ in headers)
    )
    if not is_valid:
        detail = "the method, the path or a header cannot be written as HTTP/1.1"
        raise RequestFailedError("bad_request", detail, Step.PREPARE)
    return head + body
