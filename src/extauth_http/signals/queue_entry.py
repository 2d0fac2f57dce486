"""What the queue keeps of an event, and the result of an attempt."""

import json
import sqlite3
from dataclasses import dataclass
from enum import StrEnum

from extauth_http.signals.events import Event, Source, Subject


class State(StrEnum):
    """The state of an event in the queue."""

    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Entry:
    """An event and what was done for it so far.

    ``next_attempt`` and ``give_up_from`` are seconds since the epoch. ``message`` is the result of
    the last attempt, for the operator.
    """

    event: Event
    state: State
    attempts: int
    next_attempt: float
    give_up_from: float
    notified: bool
    message: str
    finished: float | None


@dataclass(frozen=True, slots=True)
class Result:
    """What an attempt means for an entry. ``user`` is set if a lookup found it."""

    id: str
    state: State
    message: str
    next_attempt: float = 0.0
    counts: bool = True
    """Whether this was an attempt. A server that cannot be reached is not one of the event."""
    notified: bool = False
    user: str | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """Numbers of entries, and the age of the oldest one that waits, in seconds."""

    waiting: int
    failed: int
    done: int
    oldest: float


def entry_of(row: sqlite3.Row) -> Entry:
    """The entry in a row of the table ``events``."""
    subject = Subject(row["host"], row["user"], json.loads(row["identifiers"]))
    event = Event(
        row["id"],
        Source(row["source"]),
        row["sender"],
        subject,
        row["reason"],
        row["occurred"],
        row["received"],
    )
    return Entry(
        event,
        State(row["state"]),
        row["attempts"],
        row["next_attempt"],
        row["give_up_from"],
        bool(row["notified"]),
        row["message"],
        row["finished"],
    )
