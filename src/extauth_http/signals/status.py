"""``extauth-http signals status``: what is in the queue, and what an operator decides about it."""

import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from extauth_http.admin.output import Output
from extauth_http.signals.queue import Queue
from extauth_http.signals.queue_entry import Entry, State
from extauth_http.signals.settings import load_signals

ALL = "all"
BUSY_TIMEOUT = 5.0  # seconds


def show(config: Path | None, *, as_json: bool) -> int:
    """Prints the entries that wait or were given up. Returns 1 if there are some of the latter.

    Raises ConfigError and QueueError.
    """
    with _open(config) as queue:
        summary = queue.summary(time.time())
        entries = queue.entries(State.FAILED, State.WAITING)
    text = (
        f"{summary.waiting} waiting (oldest {summary.oldest:.0f} s), {summary.failed} given up, "
        f"{summary.done} done"
    )
    output = Output(as_json=as_json)
    facts = {
        "waiting": summary.waiting,
        "failed": summary.failed,
        "done": summary.done,
        "oldest_seconds": round(summary.oldest, 3),
        "events": [_facts(entry) for entry in entries],
    }
    if not as_json:
        output.result(text, facts)
    if as_json or entries:
        columns = ("id", "state", "subject", "reason", "received", "attempts", "last result")
        output.table(columns, map(_row, entries), facts)
    return 1 if summary.failed else 0


def retry(config: Path | None, identity: str) -> int:
    """Makes one event due now, or with ``all`` those that were given up. Raises ConfigError and
    QueueError."""
    with _open(config) as queue:
        count = queue.retry(None if identity == ALL else identity, time.time())
    return _report(count, identity, "will be tried again now")


def forget(config: Path | None, identity: str) -> int:
    """Deletes one event. Raises ConfigError and QueueError."""
    with _open(config) as queue:
        count = queue.forget(identity)
    return _report(count, identity, "deleted")


def _open(config: Path | None) -> "closing[Queue]":
    settings, _ = load_signals(config)
    return closing(Queue(settings.queue, busy_timeout=BUSY_TIMEOUT, create=False))


def _report(count: int, identity: str, done: str) -> int:
    output = Output(as_json=False)
    if identity == ALL:
        output.result(f"{count} events: {done}", {})
        return 0
    found = f"event {identity}: {done}" if count else f"there is no event {identity} to change"
    output.result(found, {})
    return 0 if count else 1


def _facts(entry: Entry) -> dict[str, object]:
    return {
        "id": entry.event.id,
        "state": entry.state.value,
        "source": entry.event.source.value,
        "sender": entry.event.sender,
        "subject": str(entry.event.subject),
        "reason": entry.event.reason,
        "received": _time(entry.event.received),
        "attempts": entry.attempts,
        "next_attempt": _time(entry.next_attempt) if entry.state is State.WAITING else None,
        "last_result": entry.message,
    }


def _row(entry: Entry) -> tuple[object, ...]:
    return (
        entry.event.id,
        entry.state.value,
        entry.event.subject,
        entry.event.reason,
        _time(entry.event.received),
        entry.attempts,
        entry.message,
    )


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
