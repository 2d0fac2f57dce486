"""The values of the arguments of ``user`` and ``room``: each function parses one, and rejects
what cannot be used."""

import contextlib
import re
from functools import partial

from extauth_http.config.durations import parse_duration
from extauth_http.protocol.jid import Jid
from extauth_http.terminal.argument_types import argument_type

MAX_GRACE = 3600.0  # seconds
MIN_RATE, MAX_RATE = 0.1, 10_000
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

user = argument_type(Jid.parse)
room = argument_type(partial(Jid.parse, kind="ROOM@SERVICE"))


@argument_type
def text(given: str) -> str:
    """Text that a stanza can hold: XML has no other characters (XML 1.0 section 2.2)."""
    if _NOT_XML.search(given):
        raise ValueError("expected text without control characters, in UTF-8")
    return given


@argument_type
def required_text(given: str) -> str:
    """An empty name would mean everything, or nothing."""
    if not given.strip():
        raise ValueError("expected text that is not empty")
    return text(given)


@argument_type
def count(given: str) -> int:
    if not given.isdecimal():
        raise ValueError(f"expected a number, such as 20, not {given!r}")
    return int(given)


@argument_type
def rate(given: str) -> float:
    with contextlib.suppress(ValueError):
        value = float(given)
        if MIN_RATE <= value <= MAX_RATE:
            return value
    raise ValueError(f"expected a number from {MIN_RATE} to {MAX_RATE}, such as 50, not {given!r}")


@argument_type
def option(given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not name or not equals:
        raise ValueError(f"expected NAME=VALUE, such as persistent=true, not {given!r}")
    return text(name), text(value)


@argument_type
def grace(given: str) -> float:
    with contextlib.suppress(ValueError):
        seconds = parse_duration(given, needs_unit=False)
        if seconds <= MAX_GRACE:
            return seconds
    raise ValueError(f"expected a duration of at most 1h, such as 10s or 2m, not {given!r}")
