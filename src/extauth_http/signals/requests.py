"""Reads HTTP requests of senders: bounded in size and time, and strict in form."""

import asyncio
import hashlib
import hmac
import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from extauth_http.protocol.jid import Jid
from extauth_http.signals.events import MAX_ID
from extauth_http.signals.rejection import Reason, RejectedError
from extauth_http.terminal.printable import printable

MAX_BODY = 65_536  # bytes
BODY_SECONDS = 5.0
"""Time for a body to arrive."""

MAX_REASON = 200  # characters
FORM = "application/x-www-form-urlencoded"
SET_TYPE = "application/secevent+jwt"
_ID = re.compile(rf"[A-Za-z0-9._:-]{{1,{MAX_ID}}}")
_KEYS = frozenset({"user", "host", "jid", "reason", "id"})


@dataclass(frozen=True, slots=True)
class RevokeRequest:
    """The body of ``POST /revoke``. ``id`` is empty if the caller gives none."""

    jid: Jid
    reason: str
    id: str


async def read_body(request: Request) -> bytes:
    """Raises RejectedError."""
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared[:12]) > MAX_BODY:
        raise RejectedError(Reason.OVERSIZED, f"the body is longer than {MAX_BODY} bytes")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for piece in request.stream():
                body += piece
                if len(body) > MAX_BODY:
                    raise RejectedError(
                        Reason.OVERSIZED, f"the body is longer than {MAX_BODY} bytes"
                    )
    except TimeoutError:
        raise RejectedError(Reason.SLOW, "the body did not arrive in time") from None
    except ClientDisconnect:
        raise RejectedError(Reason.SLOW, "the sender closed the connection") from None
    return bytes(body)


def require_type(request: Request, expected: str) -> None:
    """Raises RejectedError for another Content-Type."""
    found = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if found != expected:
        raise RejectedError(Reason.BAD_REQUEST, f"Content-Type is not {expected}")


def logout_token_of(body: bytes) -> str:
    """The ``logout_token`` of a form (Back-Channel Logout 1.0 section 2.5). Raises
    RejectedError."""
    try:
        fields = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=32)
    except ValueError:
        raise RejectedError(Reason.BAD_REQUEST, "the body is not a form") from None
    found = [value for name, value in fields if name == "logout_token"]
    if len(found) != 1:
        raise RejectedError(Reason.BAD_REQUEST, "expected one logout_token")
    return found[0]


def security_event_of(body: bytes) -> str:
    """The token that the body is (RFC 8935 section 2.1). Raises RejectedError."""
    try:
        return body.decode("ascii").strip()
    except UnicodeDecodeError:
        raise RejectedError(Reason.MALFORMED, "not a signed JWT") from None


def check_bearer(request: Request, expected: str) -> None:
    """Compares the bearer token (RFC 6750) in constant time. Raises RejectedError."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    # Headers are decoded as ISO 8859-1. Digests have the same length, whatever is sent.
    sent, right = (
        hashlib.sha256(raw).digest() for raw in (token.encode("latin-1"), expected.encode())
    )
    is_right = hmac.compare_digest(sent, right)
    if not is_right or scheme.lower() != "bearer":
        raise RejectedError(Reason.WRONG_BEARER, "the bearer token is missing or wrong")


def revoke_request_of(body: bytes) -> RevokeRequest:
    """Raises RejectedError."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise RejectedError(Reason.BAD_REQUEST, "the body is not JSON") from None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise RejectedError(Reason.BAD_REQUEST, "expected an object of texts")
    if not found.keys() <= _KEYS:
        raise RejectedError(Reason.BAD_REQUEST, f"expected only {', '.join(sorted(_KEYS))}")
    identity = found.get("id", "")
    if identity and not _ID.fullmatch(identity):
        raise RejectedError(
            Reason.BAD_REQUEST, f"id: expected up to {MAX_ID} letters, digits and . _ : -"
        )
    reason = printable(found.get("reason", ""))[:MAX_REASON]
    return RevokeRequest(_jid_of(found), reason, identity)


def _jid_of(found: dict[str, Any]) -> Jid:
    named = {"jid", "user", "host"} & found.keys()
    if named not in ({"jid"}, {"user", "host"}):
        raise RejectedError(Reason.NO_SUBJECT, "expected jid, or user and host")
    if named == {"jid"}:
        text = found["jid"]
    elif "@" in found["user"]:
        raise RejectedError(Reason.NO_SUBJECT, "user: expected the part before the @")
    else:
        text = f"{found['user']}@{found['host']}"
    try:
        return Jid.parse(text)
    except ValueError:
        raise RejectedError(Reason.NO_SUBJECT, "not a JID of a user") from None
