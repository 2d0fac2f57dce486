"""A request that several logins need at the same time: one sends it, the others wait."""

import threading
import time
from collections.abc import Callable


class SharedRequest:
    """Safe to use from several threads.

    There is no lock. A thread inside a backend call can be stopped at any point, and a lock that
    it holds could stay closed.
    """

    def __init__(self) -> None:
        self._pending: dict[str, threading.Event] = {}

    def run(self, send: Callable[[], None], due: float) -> bool:
        """Calls ``send``, or waits for the thread that does so now. Returns whether this thread
        called it.

        ``due`` is a time of ``time.monotonic()``. Raises TimeoutError, and what ``send`` raises.
        """
        mine = threading.Event()
        # One operation, which no other thread can interrupt.
        pending = self._pending.setdefault("request", mine)
        if pending is not mine:
            if not pending.wait(max(0.0, due - time.monotonic())):
                raise TimeoutError
            return False
        try:
            send()
        finally:
            self._pending.pop("request", None)
            mine.set()
        return True
