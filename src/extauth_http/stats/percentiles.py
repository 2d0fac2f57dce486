"""Statistics in a fixed amount of memory: percentiles, and the most frequent names.

Percentiles come from a histogram whose buckets grow by a constant factor (Masson, Rim, Lee:
DDSketch, 2019). The most frequent names come from a Misra-Gries summary (1982).
"""

import math
from typing import Final

MIN_MS, MAX_MS = 0.001, 1_000_000.0
"""Latencies outside of this range count as its ends. The log rounds to the first; no deadline is
as long as the second."""

RELATIVE_ERROR: Final = 0.01
"""The largest error of a percentile, relative to its value."""

MAX_NAMES = 256

_GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_LOG_GAMMA = math.log(_GAMMA)


def bucket_number(ms: float) -> int:
    """The bucket of a latency. Bucket ``n`` holds what is above γⁿ⁻¹ and at most γⁿ."""
    return math.ceil(math.log(min(max(ms, MIN_MS), MAX_MS)) / _LOG_GAMMA)


class LatencyHistogram:
    """Latencies in about a thousand buckets at most."""

    def __init__(self) -> None:
        self.buckets: dict[int, int] = {}

    def add(self, number: int) -> None:
        """Counts a latency of the bucket ``number``."""
        self.buckets[number] = self.buckets.get(number, 0) + 1

    def percentile(self, share: float) -> float | None:
        """The smallest latency that at least ``share`` (0 to 1) of all latencies do not exceed.

        In milliseconds, within ``RELATIVE_ERROR``. None if there are no latencies.
        """
        rank = math.ceil(share * sum(self.buckets.values()))
        for number in sorted(self.buckets):
            rank -= self.buckets[number]
            if rank <= 0:
                return float(2 * _GAMMA**number / (_GAMMA + 1))
        return None


class FrequentNames:
    """The most frequent names. Every name with more than 1/``limit`` of all counts is in it.

    The true count of a name is its count here, or up to ``max_missing`` more.
    """

    def __init__(self, limit: int = MAX_NAMES) -> None:
        self.limit = limit
        self.counts: dict[str, int] = {}
        self.max_missing = 0

    def add(self, name: str) -> None:
        if name in self.counts or len(self.counts) < self.limit - 1:
            self.counts[name] = self.counts.get(name, 0) + 1
            return
        self.max_missing += 1
        self.counts = {other: count - 1 for other, count in self.counts.items() if count > 1}

    def top(self, number: int) -> list[tuple[str, int]]:
        """The names with the highest counts, the highest first."""
        return sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))[:number]
