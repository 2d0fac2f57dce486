"""The statistics of ``stats``, in memory that does not grow with the log.

Each part has a fixed limit: percentiles and frequent names come from ``percentiles.py``, and names
above a limit share one row. This file knows neither files nor lines.
"""

import math
from typing import Any

from extauth_http.stats.busiest_times import MINUTE, BusiestMinute
from extauth_http.stats.log_entries import VERDICTS, AnswerEntry
from extauth_http.stats.percentiles import MAX_MS, FrequentNames, LatencyHistogram, bucket_number
from extauth_http.stats.pool_load import PoolLoad

MAX_ROWS = 1000
MAX_REASONS = 200

OTHER_NAMES = "(others)"
"""The row of all names above a limit."""


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
