"""What ``stats`` counts, in memory that does not grow with the log.

Each summary has a bound of its own, by construction: percentiles come from a histogram whose
buckets grow by a constant factor (Masson, Rim, Lee: DDSketch, 2019), the most frequent names from
a Misra-Gries summary (1982), and where there are more names than places the rest are counted as
one. This file knows neither files nor JSON.
"""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

from extauth_http.stats.sketches import MOST_MS, Frequent, Histogram, bucket

MAX_GROUPS = 1000
MAX_REASONS = 200
MAX_MEMBERS = 4096
KEPT_MINUTES = 4

OTHERS = "(others)"
"""What all further names are counted as."""

NOBODY = "(none)"
"""The host or backend of a packet that could not be read."""

MINUTE = 60.0


class Entry(NamedTuple):
    """One answer of the log. ``time`` is when it was out, in seconds since the epoch.

    A tuple, since there are millions of them: a frozen dataclass takes three times as long to make.
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


class Counts:
    """How often each of a limited number of keys was seen, the rest as ``others``."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.counts: dict[str, int] = {}

    def add(self, key: str) -> None:
        if key not in self.counts and len(self.counts) >= self.limit - 1:
            key = OTHERS
        self.counts[key] = self.counts.get(key, 0) + 1

    def most_first(self) -> dict[str, int]:
        return dict(sorted(self.counts.items(), key=lambda item: (-item[1], item[0])))


class BusiestMinute:
    """The most of anything in one minute, of lines that are in order but for a few minutes."""

    def __init__(self) -> None:
        self.minutes: dict[int, float] = {}
        self._most = 0.0

    def add(self, minute: int, amount: float) -> None:
        self.minutes[minute] = self.minutes.get(minute, 0.0) + amount
        if len(self.minutes) > KEPT_MINUTES:
            self._most = max(self._most, self.minutes.pop(min(self.minutes)))

    @property
    def most(self) -> float:
        return max(self._most, *self.minutes.values(), 0.0)


class Tally:
    """What became of the commands of one host, of one backend, or of all."""

    def __init__(self) -> None:
        self.commands = self.logins = 0
        self.verdicts = {"allow": 0, "deny": 0, "undecided": 0}
        self.reasons = {verdict: Counts(MAX_REASONS) for verdict in self.verdicts}
        self.busiest = BusiestMinute()
        self.latencies = Histogram()
        self.refused = Frequent()

    def add(self, entry: Entry, number: int) -> None:
        """``number`` is the bucket of the entry's latency."""
        self.commands += 1
        verdict = entry.verdict
        self.verdicts[verdict] += 1
        self.reasons[verdict].add(entry.reason)
        self.latencies.add(number)
        if entry.operation == "auth":
            self.logins += 1
            self.busiest.add(int(entry.time // MINUTE), 1)
            if verdict == "deny":
                self.refused.add(f"{entry.user}@{entry.host}")

    def summary(self, seconds: float) -> dict[str, Any]:
        """As JSON has it; ``seconds`` is the span, of which less than a minute counts as one."""
        return {
            "commands": self.commands,
            "logins": self.logins,
            "logins_per_minute": round(self.logins / max(seconds / MINUTE, 1), 2),
            "logins_in_busiest_minute": int(self.busiest.most),
            "verdicts": self.verdicts,
            "reasons": {name: counts.most_first() for name, counts in self.reasons.items()},
            "ms": {
                f"p{percent}": self.latencies.percentile(percent / 100) for percent in (50, 95, 99)
            },
            "refused_users": [
                {"user": user, "at_least": count, "at_most": count + self.refused.missed}
                for user, count in self.refused.top(10)
            ],
        }


class Pool:
    """How long the pool's members were busy. A member is a pid, from its first line to its last."""

    def __init__(self) -> None:
        self.busy_seconds = 0.0
        self.busiest = BusiestMinute()
        self.members: dict[int, tuple[float, float]] = {}
        self._most_at_once = 0

    def seen(self, pid: int, start: float, end: float) -> None:
        known = self.members.get(pid)
        if known:
            start, end = min(known[0], start), max(known[1], end)
        self.members[pid] = start, end
        if len(self.members) > MAX_MEMBERS:
            self._most_at_once = self.members_at_once()
            newest = sorted(self.members.items(), key=lambda item: item[1][1])
            self.members = dict(newest[MAX_MEMBERS // 2 :])

    def add(self, entry: Entry) -> None:
        seconds = min(entry.ms, MOST_MS) / 1000
        start = entry.time - seconds
        self.seen(entry.pid, start, entry.time)
        self.busy_seconds += seconds
        first, last = int(start // MINUTE), int(entry.time // MINUTE)
        if first == last:
            self.busiest.add(first, seconds)
            return
        for minute in range(first, last + 1):
            begin, end = max(start, minute * MINUTE), min(entry.time, (minute + 1) * MINUTE)
            self.busiest.add(minute, end - begin)

    def members_at_once(self) -> int:
        """How many there were at the same time, at most: one that was replaced is not another."""
        # Of what happens at the same instant, the starts come first.
        steps = [(start, 0, 1) for start, _ in self.members.values()]
        steps += [(end, 1, -1) for _, end in self.members.values()]
        now = most = 0
        for _, _, change in sorted(steps):
            now += change
            most = max(most, now)
        return max(most, self._most_at_once)

    def summary(self, seconds: float, size: int | None) -> dict[str, Any]:
        """As JSON has it; shares are of the time of ``size`` members, else of those seen."""
        members = size or self.members_at_once()
        minute = min(seconds, MINUTE)
        return {
            "members": members,
            "busy": _share(self.busy_seconds, seconds * members),
            "busy_in_busiest_minute": _share(self.busiest.most, minute * members),
        }


class Groups:
    """A tally for each name, up to a number of names."""

    def __init__(self, limit: int = MAX_GROUPS) -> None:
        self.limit = limit
        self.tallies: dict[str, Tally] = {}

    def of(self, name: str) -> Tally:
        found = self.tallies.get(name)
        if found:
            return found
        if len(self.tallies) >= self.limit - 1:
            name = OTHERS
        return self.tallies.setdefault(name, Tally())


class Summary:
    """All that is known of a log."""

    def __init__(self) -> None:
        self.all = Tally()
        self.hosts, self.backends = Groups(), Groups()
        self.pool = Pool()
        self.start, self.end = math.inf, -math.inf

    def add(self, entry: Entry) -> None:
        number = bucket(entry.ms)
        self.all.add(entry, number)
        self.hosts.of(entry.host).add(entry, number)
        self.backends.of(entry.backend).add(entry, number)
        self.pool.add(entry)
        self.start = min(self.start, entry.time - min(entry.ms, MOST_MS) / 1000)
        self.end = max(self.end, entry.time)

    @property
    def seconds(self) -> float:
        """From the first packet to the last answer."""
        return max(self.end - self.start, 0.0)

    def groups(self, groups: Groups) -> dict[str, Any]:
        """As JSON has it, those with the most commands first."""
        ordered: Iterable[tuple[str, Tally]] = sorted(
            groups.tallies.items(), key=lambda item: (-item[1].commands, item[0])
        )
        return {name: tally.summary(self.seconds) for name, tally in ordered}


def _share(part: float, whole: float) -> float | None:
    return round(part / whole, 4) if whole > 0 else None
