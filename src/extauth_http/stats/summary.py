"""The statistics of ``stats``, in memory that does not grow with the log.

Each part has a fixed limit: percentiles and frequent names come from ``sketches.py``, and names
above a limit share one row. This file knows neither files nor lines.
"""

import math
from typing import Any

from extauth_http.stats.log_entries import VERDICTS, AnswerEntry
from extauth_http.stats.sketches import MAX_MS, FrequentNames, LatencyHistogram, bucket_number

MAX_ROWS = 1000
MAX_REASONS = 200
MAX_MEMBERS = 4096
MAX_OPEN_MINUTES = 4

OTHER_NAMES = "(others)"
"""The row of all names above a limit."""

MINUTE = 60.0


class BoundedCounter:
    """Counts of up to ``limit`` keys. Further keys count as ``OTHER_NAMES``."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.counts: dict[str, int] = {}

    def add(self, key: str) -> None:
        if key not in self.counts and len(self.counts) >= self.limit - 1:
            key = OTHER_NAMES
        self.counts[key] = self.counts.get(key, 0) + 1

    def by_frequency(self) -> dict[str, int]:
        """The counts, the highest first."""
        return dict(sorted(self.counts.items(), key=lambda item: (-item[1], item[0])))


class BusiestMinute:
    """The largest sum within one minute. Entries may be out of order by a few minutes."""

    def __init__(self) -> None:
        self.minutes: dict[int, float] = {}
        self._largest = 0.0

    def add(self, minute: int, amount: float) -> None:
        self.minutes[minute] = self.minutes.get(minute, 0.0) + amount
        if len(self.minutes) > MAX_OPEN_MINUTES:
            self._largest = max(self._largest, self.minutes.pop(min(self.minutes)))

    @property
    def largest(self) -> float:
        return max(self._largest, *self.minutes.values(), 0.0)


class CommandStatistics:
    """The statistics of the commands of one host, of one backend, or of all."""

    def __init__(self) -> None:
        self.commands = self.logins = 0
        self.verdicts = dict.fromkeys(VERDICTS, 0)
        self.reasons = {verdict: BoundedCounter(MAX_REASONS) for verdict in VERDICTS}
        self.busiest_minute = BusiestMinute()
        self.latencies = LatencyHistogram()
        self.refused_users = FrequentNames()

    def add(self, entry: AnswerEntry, bucket: int) -> None:
        """Counts an entry. ``bucket`` is the bucket number of its latency."""
        self.commands += 1
        verdict = entry.verdict
        self.verdicts[verdict] += 1
        self.reasons[verdict].add(entry.reason)
        self.latencies.add(bucket)
        if entry.operation == "auth":
            self.logins += 1
            self.busiest_minute.add(int(entry.time // MINUTE), 1)
            if verdict == "deny":
                self.refused_users.add(f"{entry.user}@{entry.host}")

    def as_json(self, seconds: float) -> dict[str, Any]:
        """``seconds`` is the time span of the log. Less than a minute counts as a minute."""
        return {
            "commands": self.commands,
            "logins": self.logins,
            "logins_per_minute": round(self.logins / max(seconds / MINUTE, 1), 2),
            "logins_in_busiest_minute": int(self.busiest_minute.largest),
            "verdicts": self.verdicts,
            "reasons": {name: counts.by_frequency() for name, counts in self.reasons.items()},
            "ms": {
                f"p{percent}": self.latencies.percentile(percent / 100) for percent in (50, 95, 99)
            },
            "refused_users": [
                {
                    "user": user,
                    "at_least": count,
                    "at_most": count + self.refused_users.max_missing,
                }
                for user, count in self.refused_users.top(10)
            ],
        }


class PoolLoad:
    """How long the pool members were busy.

    A pool member is a pid. It exists from its first to its last log entry.
    """

    def __init__(self) -> None:
        self.busy_seconds = 0.0
        self.busiest_minute = BusiestMinute()
        self.members: dict[int, tuple[float, float]] = {}
        self._most_at_once = 0

    def add_member(self, pid: int, start: float, end: float) -> None:
        """Notes that a pool member existed from ``start`` to ``end`` (seconds since 1970)."""
        known = self.members.get(pid)
        if known:
            start, end = min(known[0], start), max(known[1], end)
        self.members[pid] = start, end
        if len(self.members) > MAX_MEMBERS:
            self._most_at_once = self.members_at_once()
            newest = sorted(self.members.items(), key=lambda item: item[1][1])
            self.members = dict(newest[MAX_MEMBERS // 2 :])

    def add(self, entry: AnswerEntry) -> None:
        seconds = min(entry.ms, MAX_MS) / 1000
        start = entry.time - seconds
        self.add_member(entry.pid, start, entry.time)
        self.busy_seconds += seconds
        first, last = int(start // MINUTE), int(entry.time // MINUTE)
        if first == last:
            self.busiest_minute.add(first, seconds)
            return
        for minute in range(first, last + 1):
            begin, end = max(start, minute * MINUTE), min(entry.time, (minute + 1) * MINUTE)
            self.busiest_minute.add(minute, end - begin)

    def members_at_once(self) -> int:
        """The largest number of members at one time. A member that replaces another adds none."""
        # At equal times, a start sorts before an end.
        changes = [(start, 0, 1) for start, _ in self.members.values()]
        changes += [(end, 1, -1) for _, end in self.members.values()]
        current = largest = 0
        for _, _, change in sorted(changes):
            current += change
            largest = max(largest, current)
        return max(largest, self._most_at_once)

    def as_json(self, seconds: float, size: int | None) -> dict[str, Any]:
        """The load as shares of the time of ``size`` members, or of those in the log."""
        members = size or self.members_at_once()
        minute = min(seconds, MINUTE)
        return {
            "members": members,
            "busy": _share(self.busy_seconds, seconds * members),
            "busy_in_busiest_minute": _share(self.busiest_minute.largest, minute * members),
        }


class StatisticsByName:
    """The statistics of up to ``limit`` names. Further names share ``OTHER_NAMES``."""

    def __init__(self, limit: int = MAX_ROWS) -> None:
        self.limit = limit
        self.rows: dict[str, CommandStatistics] = {}

    def row(self, name: str) -> CommandStatistics:
        found = self.rows.get(name)
        if found:
            return found
        if len(self.rows) >= self.limit - 1:
            name = OTHER_NAMES
        return self.rows.setdefault(name, CommandStatistics())

    def as_json(self, seconds: float) -> dict[str, Any]:
        """The rows, those with the most commands first. ``seconds`` is the time span."""
        rows = sorted(self.rows.items(), key=lambda item: (-item[1].commands, item[0]))
        return {name: row.as_json(seconds) for name, row in rows}


class Summary:
    """The statistics of all answers of a log."""

    def __init__(self) -> None:
        self.all = CommandStatistics()
        self.hosts, self.backends = StatisticsByName(), StatisticsByName()
        self.pool = PoolLoad()
        self.start, self.end = math.inf, -math.inf

    def add(self, entry: AnswerEntry) -> None:
        bucket = bucket_number(entry.ms)
        self.all.add(entry, bucket)
        self.hosts.row(entry.host).add(entry, bucket)
        self.backends.row(entry.backend).add(entry, bucket)
        self.pool.add(entry)
        self.start = min(self.start, entry.time - min(entry.ms, MAX_MS) / 1000)
        self.end = max(self.end, entry.time)

    @property
    def seconds(self) -> float:
        """The time from the first packet to the last reply."""
        return max(self.end - self.start, 0.0)


def _share(part: float, whole: float) -> float | None:
    return round(part / whole, 4) if whole > 0 else None
