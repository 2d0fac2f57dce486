"""A request that several logins need at the same time: one sends it, the others wait."""

import threading
import time
from collections.abc import Callable

LOST_SECONDS = 1.0
"""After this time beyond its deadline, a request is lost: its thread was stopped before it could
say so. Another thread takes its place."""


class SharedRequest:
    """Safe to use from several threads.

    There is no lock. A thread inside a backend call can be stopped at any point, and a lock that
    it holds could stay closed.
    """

    def __init__(self) -> None:
        self._pending: dict[str, tuple[threading.Event, float]] = {}
        """The request that is on its way: what is set at its end, and its deadline."""

    def run(self, send: Callable[[], None], due: float) -> bool:
        """Calls ``send``, or waits for the thread that does so now. Returns whether this thread
        called it.

        ``due`` is a time of ``time.monotonic()``. Raises TimeoutError, and what ``send`` raises.
        """
        mine = (threading.Event(), due)
        # One operation, which no other thread can interrupt.
        pending = self._pending.setdefault("request", mine)
        now = time.monotonic()
        if pending is not mine and now < pending[1] + LOST_SECONDS:
            if not pending[0].wait(max(0.0, due - now)):
                raise TimeoutError
            return False
        self._pending["request"] = mine
        try:
            send()
        finally:
            self._pending.pop("request", None)
            mine[0].set()
        return True
