"""Lines of the JSON log → entries. A line that is not an entry of this program is an error."""

import json
import math
from datetime import UTC, datetime
from typing import Any, NamedTuple

from extauth_http.terminal.printable import printable

MAX_NAME = 256
"""Characters of a name that are kept."""

MAX_TIME = 1e11
"""Seconds since 1970. A time before 1970 or after the year 5000 is not the time of a log entry."""

NO_NAME = "(none)"
"""The host of a malformed packet, and the backend if none was used."""

VERDICTS = ("allow", "deny", "undecided")


class AnswerEntry(NamedTuple):
    """One ``answer`` event. ``time`` is the time of the reply, in seconds since 1970.

    It is a tuple because a log has millions of them: a frozen dataclass takes three times as long
    to create.
    """

    time: float
    operation: str
    user: str
    host: str
    backend: str
    verdict: str
    reason: str
    ms: float
    pid: int
    queued: bool = False


class EventEntry(NamedTuple):
    """Any other event of the program."""

    time: float
    name: str
    pid: int


class NotJsonError(Exception):
    """The line is not a JSON object."""


class UnusableEntryError(Exception):
    """The line is a JSON object, but not an entry as the program writes it."""


def parse_entry(line: bytes) -> AnswerEntry | EventEntry:
    """The entry in a line of the log. Raises NotJsonError or UnusableEntryError."""
    try:
        fields = json.loads(line.decode(errors="replace"))
    except (ValueError, RecursionError):
        raise NotJsonError from None
    if type(fields) is not dict:
        raise NotJsonError
    try:
        return _entry(fields)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise UnusableEntryError from None


def parse_time(text: str) -> float:
    """Seconds since 1970 of an ISO 8601 time; UTC if it has no zone. Raises ValueError."""
    time = datetime.fromisoformat(text)
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _entry(fields: dict[str, Any]) -> AnswerEntry | EventEntry:
    event = _name(fields["event"])
    time = parse_time(fields["time"])
    if not 0 <= time <= MAX_TIME:
        raise ValueError("time")
    pid = int(fields["pid"])
    if event != "answer":
        return EventEntry(time, event, pid)
    ms = fields["ms"]
    if type(ms) not in (float, int) or not 0 <= ms < math.inf:
        raise ValueError("ms")
    if fields["verdict"] not in VERDICTS:
        raise ValueError("verdict")
    return AnswerEntry(
        time,
        str(fields.get("operation")),
        _name(fields.get("user", "")),
        _name(fields.get("host", NO_NAME)),
        _name(fields.get("backend", NO_NAME)),
        fields["verdict"],
        _name(fields["reason"]),
        ms,
        pid,
        fields.get("queued") is True,
    )


def _name(value: Any) -> str:
    if type(value) is not str:
        raise TypeError("not a name")
    return printable(value[:MAX_NAME])
