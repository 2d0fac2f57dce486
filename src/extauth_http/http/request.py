"""A request → its bytes (RFC 9112)."""

import json
import re
from collections.abc import Mapping
from urllib.parse import urlencode

from extauth_http.http.response_parser import Headers
from extauth_http.protocol.verdict import UndecidedError

_TO_JSON = json.JSONEncoder(ensure_ascii=False).encode


def encode_body(json_value: object, form: Mapping[str, str] | None) -> tuple[bytes, bytes]:
    """A form, JSON or nothing, with its content type."""
    if form is not None:
        return urlencode(form).encode(), b"application/x-www-form-urlencoded"
    if json_value is not None:
        return _TO_JSON(json_value).encode(), b"application/json"
    return b"", b""


_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET = re.compile(rb"[\x21-\x7e]+")
_VALUE = re.compile(rb"[^\x00-\x08\x0a-\x1f\x7f]*")


def serialize_request(method: bytes, target: bytes, headers: Headers, body: bytes) -> bytes:
    """The bytes of a request (RFC 9112). Raises Undecided (``bad_request``) for what would end a
    line early, and with it begin a header that nobody meant."""
    if not (_TOKEN.fullmatch(method) and _TARGET.fullmatch(target)):
        raise UndecidedError("bad_request", "the method or path cannot be written as HTTP/1.1")
    parts = [method, b" ", target, b" HTTP/1.1\r\n"]
    for name, value in headers:
        if not (_TOKEN.fullmatch(name) and _VALUE.fullmatch(value)):
            raise UndecidedError("bad_request", "a header cannot be written as HTTP/1.1")
        parts += (name, b": ", value, b"\r\n")
    parts += (b"\r\n", body)
    return b"".join(parts)
