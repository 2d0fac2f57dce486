"""A circuit breaker for a service that hangs.

While a service does not answer, each command waits for its whole deadline, and ejabberd's queue
grows until it ends pool members. After some requests in a row that ran into the deadline, others
fail at once, and one at a time is sent as a probe. The first answer, whatever it is, closes the
breaker. It remembers nothing about a user, and it never decides yes or no.
"""

import threading
import time
from collections.abc import Callable
from enum import Enum


class BreakerState(Enum):
    CLOSED = "closed"
    """Every request is sent."""
    OPEN = "open"
    """The next request is sent as a probe."""
    PROBING = "probing"
    """A probe is on its way. No other request is sent."""


class Breaker:
    """Safe to use from several threads.

    ``limit`` is the number of requests in a row that run into the deadline until the breaker opens;
    0 turns it off. ``on_change`` is called with OPEN or CLOSED when it opens or closes.
    """

    def __init__(
        self, limit: int, on_change: Callable[[BreakerState], None] = lambda _: None
    ) -> None:
        self._limit = limit
        self._on_change = on_change
        self._lock = threading.Lock()
        self._state = BreakerState.CLOSED
        self._failures = 0
        self._probe_ends = 0.0

    def admits(self, due: float) -> bool:
        """Whether a request may be sent now. ``due`` is its deadline, a time of
        ``time.monotonic()``: a probe that is lost is replaced after it."""
        if not self._failures:
            return True
        with self._lock:
            match self._state:
                case BreakerState.CLOSED:
                    return True
                case BreakerState.PROBING if time.monotonic() < self._probe_ends:
                    return False
            self._state = BreakerState.PROBING
            self._probe_ends = due
            return True

    def record(self, *, is_late: bool) -> None:
        """Records the end of a request that was sent: whether it ran into the deadline."""
        if not is_late and not self._failures:
            return
        with self._lock:
            before = self._state
            if is_late:
                self._failures += 1
                if self._limit and self._failures >= self._limit:
                    self._state = BreakerState.OPEN
            else:
                self._failures = 0
                self._state = BreakerState.CLOSED
            after = self._state
        if (before is BreakerState.CLOSED) != (after is BreakerState.CLOSED):
            self._on_change(after)
