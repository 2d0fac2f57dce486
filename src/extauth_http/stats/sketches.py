"""Summaries with a fixed memory: percentiles, and the most frequent names.

A percentile comes from a histogram whose buckets grow by a constant factor (Masson, Rim, Lee:
DDSketch, 2019). The most frequent names come from a Misra-Gries summary (1982).
"""

import math
from typing import Final

LEAST_MS, MOST_MS = 0.001, 1_000_000.0
"""What a latency counts as at least and at most: the log rounds to the one, no deadline allows the
other."""

ERROR: Final = 0.01
"""How far a percentile may be off, relative to the value itself."""
MAX_NAMES = 256

_GAMMA = (1 + ERROR) / (1 - ERROR)
_LOG_GAMMA = math.log(_GAMMA)


def bucket(ms: float) -> int:
    """The histogram's bucket: number ``n`` holds what is above γⁿ⁻¹ and at most γⁿ."""
    return math.ceil(math.log(min(max(ms, LEAST_MS), MOST_MS)) / _LOG_GAMMA)


class Histogram:
    """Latencies, by some thousand buckets at most."""

    def __init__(self) -> None:
        self.buckets: dict[int, int] = {}

    def add(self, number: int) -> None:
        self.buckets[number] = self.buckets.get(number, 0) + 1

    def percentile(self, share: float) -> float | None:
        """The smallest latency that at least this share is not above, within ``ERROR``."""
        rank = math.ceil(share * sum(self.buckets.values()))
        for number in sorted(self.buckets):
            rank -= self.buckets[number]
            if rank <= 0:
                return float(2 * _GAMMA**number / (_GAMMA + 1))
        return None


class Frequent:
    """The most frequent names: whoever makes up more than 1/``limit`` of them is among these.

    A name was seen at least as often as is said here, and at most ``missed`` times more.
    """

    def __init__(self, limit: int = MAX_NAMES) -> None:
        self.limit = limit
        self.counts: dict[str, int] = {}
        self.missed = 0

    def add(self, name: str) -> None:
        if name in self.counts or len(self.counts) < self.limit - 1:
            self.counts[name] = self.counts.get(name, 0) + 1
            return
        self.missed += 1
        self.counts = {other: count - 1 for other, count in self.counts.items() if count > 1}

    def top(self, number: int) -> list[tuple[str, int]]:
        return sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))[:number]
