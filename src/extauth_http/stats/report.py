"""Everything that ``stats`` has read, as the JSON that it prints."""

import math
from datetime import UTC, datetime
from typing import Any

from extauth_http.stats.log_entries import (
    AnswerEntry,
    NotJsonError,
    UnusableEntryError,
    parse_entry,
)
from extauth_http.stats.percentiles import RELATIVE_ERROR
from extauth_http.stats.summary import BoundedCounter, Summary

MAX_EVENT_NAMES = 50


class LogReport:
    """Counts the lines of a log.

    Entries before ``start`` (seconds since 1970) are only counted. ``pools`` is the number of
    pools and ``pool_size`` the number of members of each. None takes them from the log.
    """

    def __init__(
        self, start: float = -math.inf, pool_size: int | None = None, pools: int | None = None
    ) -> None:
        self.summary = Summary()
        self.answers = self.before_start = self.not_json = self.unusable = 0
        self.events = BoundedCounter(MAX_EVENT_NAMES)
        self._start = start
        self._pool_size = pool_size
        self._pools = pools

    def add_line(self, line: bytes) -> None:
        """Counts one line. An empty line is ignored."""
        if not line or line.isspace():
            return
        try:
            entry = parse_entry(line)
        except NotJsonError:
            self.not_json += 1
        except UnusableEntryError:
            self.unusable += 1
        else:
            if entry.time < self._start:
                self.before_start += 1
            elif isinstance(entry, AnswerEntry):
                self.answers += 1
                self.summary.add(entry)
            else:
                self.events.add(entry.name)
                self.summary.pool.add_member(entry.pid, entry.time, entry.time)

    def as_json(self) -> dict[str, Any]:
        """The object that ``--json`` prints. docs/monitoring.md describes its keys."""
        summary = self.summary
        return {
            "from": _iso(summary.start),
            "to": _iso(summary.end),
            "seconds": round(summary.seconds, 3),
            "lines": {
                "answers": self.answers,
                "other_events": self.events.by_frequency(),
                "before": self.before_start,
                "not_json": self.not_json,
                "unusable": self.unusable,
            },
            "percentile_error": RELATIVE_ERROR,
            "all": summary.all.as_json(summary.seconds),
            "hosts": summary.hosts.as_json(summary.seconds),
            "backends": summary.backends.as_json(summary.seconds),
            "pool": summary.pool.as_json(summary.seconds, self._pool_size, self._pools),
        }


def _iso(time: float) -> str | None:
    if math.isinf(time):
        return None
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds")
