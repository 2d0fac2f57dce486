"""How long the pool members were busy, whether logins waited for them, and a sufficient size.

A login waits inside of ejabberd, where the log does not see it. But ejabberd sends the next packet
as soon as a member has replied, so the program knows that such a packet has waited (``queued``).
"""

from dataclasses import replace
from typing import Any

from extauth_http.ejabberd_pool import (
    MAX_SIZE,
    STEPS,
    STEPS_WITH_SQL,
    Load,
    answer_times,
    sufficient_size,
)
from extauth_http.stats.busiest_times import MINUTE, PERIOD, BusiestMinute, MostQuestions
from extauth_http.stats.log_entries import NO_NAME, AnswerEntry
from extauth_http.stats.percentiles import MAX_MS

MAX_MEMBERS = 4096

FEWER_STEPS = (1, 2)
"""Steps of a command after which no session begins, or no connection ends."""

CLEARLY_MORE = 0.1
"""So much more than the simulated share have waited only if there are other steps, as with SQL. The
log of a busy machine counts a few too many."""

TOLERANCE = 1.1
"""The busiest ten seconds of a log are partly chance, so a pool may be so much smaller."""


class PoolLoad:
    """The load of the pool members.

    A pool member is a pid. It exists from its first to its last log entry.
    """

    def __init__(self) -> None:
        self.questions = self.queued = 0
        self.busy_seconds = 0.0
        self.busiest_minute = BusiestMinute()
        self.most_questions = MostQuestions()
        self.members: dict[int, tuple[float, float]] = {}
        self._most_at_once = 0
        self._hosts: dict[int, str] = {}
        self._is_shared = False

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
        self._add_host(entry)
        self.questions += 1
        self.queued += entry.queued
        self.busy_seconds += seconds
        first, last = int(start // MINUTE), int(entry.time // MINUTE)
        self.most_questions.add(int(entry.time // PERIOD), seconds, is_queued=entry.queued)
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

    @property
    def pools(self) -> int:
        """The number of pools. One if a process replies for several hosts: either they share a
        pool, or it is a process of ``serve``."""
        return 1 if self._is_shared else max(len(set(self._hosts.values())), 1)

    def as_json(self, seconds: float, size: int | None, pools: int | None) -> dict[str, Any]:
        """The load as shares of the time of ``pools`` pools with ``size`` members each, or of the
        members in the log."""
        pools = pools or self.pools
        members = size * pools if size else self.members_at_once()
        minute = min(seconds, MINUTE)
        most = self.most_questions.most
        return {
            "members": members,
            "pools": pools,
            "busy": _share(self.busy_seconds, seconds * members),
            "busy_in_busiest_minute": _share(self.busiest_minute.largest, minute * members),
            "queued": _share(self.queued, self.questions),
            "queued_in_busiest_10_s": _share(most.queued, most.count),
            "suggested_size": self._suggested_size(min(seconds, PERIOD), members // pools, pools),
        }

    def _suggested_size(self, period: float, size: int, pools: int) -> int | None:
        """A sufficient size of each pool for the period with the most questions. None if the
        present size is sufficient."""
        most = self.most_questions.most
        if not most.queued or not period or not most.seconds:
            return None
        # The pools have one counter together.
        questions = max(most.count // pools, 1)
        load = Load(questions, period, most.seconds / most.count, STEPS * pools)
        if load.at_once < size / 2:  # otherwise most questions wait with any number of steps
            load = _fitting(load, size, pools, most.queued / most.count)
        enough = sufficient_size(load) or MAX_SIZE
        return enough if enough > TOLERANCE * size else None

    def _add_host(self, entry: AnswerEntry) -> None:
        if self._is_shared or entry.host == NO_NAME or len(self._hosts) >= MAX_MEMBERS:
            return
        self._is_shared = self._hosts.setdefault(entry.pid, entry.host) != entry.host


def _fitting(load: Load, size: int, pools: int, share: float) -> Load:
    """The load whose number of steps explains best that this share of the questions has waited."""
    if share > answer_times(load, size).waited + CLEARLY_MORE:
        return replace(load, steps=STEPS_WITH_SQL * pools)
    loads = [load, *(replace(load, steps=steps * pools) for steps in FEWER_STEPS)]
    return min(loads, key=lambda each: abs(answer_times(each, size).waited - share))


def _share(part: float, whole: float) -> float | None:
    return round(part / whole, 4) if whole > 0 else None
