"""Polling until a condition holds."""

import time
from collections.abc import Callable


def wait_until(
    condition: Callable[[], bool], *, interval: float, timeout: float = 0.0, attempts: int = 1
) -> bool:
    """Calls ``condition`` until it returns true, and returns whether it did.

    It gives up after ``timeout`` seconds, but not before ``attempts`` calls. It sleeps for
    ``interval`` seconds between two calls. Errors of ``condition`` end the polling.
    """
    end = time.monotonic() + timeout
    count = 0
    while True:
        if condition():
            return True
        count += 1
        if count >= attempts and time.monotonic() >= end:
            return False
        time.sleep(interval)
