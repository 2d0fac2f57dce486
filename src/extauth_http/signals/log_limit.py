"""Limits how many rejections are logged: anyone can cause them, and they would fill the disk."""

import time
from collections.abc import Callable

PER_INTERVAL = 20
INTERVAL = 10.0  # seconds


class LogLimit:
    """Allows PER_INTERVAL lines in each interval, and counts the others."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end = 0.0
        self._written = 0
        self._suppressed = 0

    def allows(self) -> bool:
        """Whether the next line is written."""
        now = self._clock()
        if now >= self._end:
            self._end = now + INTERVAL
            self._written = 0
        self._written += 1
        if self._written <= PER_INTERVAL:
            return True
        self._suppressed += 1
        return False

    def take_suppressed(self) -> int:
        """How many lines were not written since the last call."""
        count, self._suppressed = self._suppressed, 0
        return count
