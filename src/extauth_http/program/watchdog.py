"""The main thread of a process: keeps the deadlines of its ports and handles signals.

It waits in one ``poll`` until a deadline is due, a stream is closed or a signal arrives.
"""

import array
import contextlib
import fcntl
import os
import select
import signal
import termios
import time
from collections.abc import Callable
from types import FrameType

from extauth_http.program.port import Port

ENDED_CHECK_SECONDS = 0.05
"""Time between two checks of a port that still works after its input has ended. ``poll`` cannot be
used for it, because it reports the end again and again."""

MEMORY_RETRY_SECONDS = 0.05
"""Pause after a lack of memory."""


class Watchdog:
    """Watches ports until none is left, or until SIGTERM or SIGINT.

    ``on_hangup`` is called for SIGHUP. ``on_stop`` is called for SIGTERM and SIGINT, which end
    ``run`` if there is no ``on_stop``. Only the main thread may create a watchdog.
    """

    def __init__(
        self, on_hangup: Callable[[], None], on_stop: Callable[[], None] | None = None
    ) -> None:
        self._ports: dict[int, Port] = {}
        self._sinks: dict[int, Port] = {}
        self._readers: dict[int, Callable[[], object]] = {}
        self._on_end: dict[int, Callable[[], None]] = {}
        self._ended_inputs: set[int] = set()
        self._watched_inputs: set[int] = set()
        self._timer: tuple[float, Callable[[], None]] | None = None
        self._on_hangup = on_hangup
        self._on_stop = on_stop
        self._has_sigterm = False
        self._has_sighup = False
        self._poll = select.poll()
        self._wake_read, self._wake_write = os.pipe()
        for end in (self._wake_read, self._wake_write):
            os.set_blocking(end, False)
        self._poll.register(self._wake_read, select.POLLIN)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._on_sigterm)
        signal.signal(signal.SIGINT, self._on_sigterm)
        signal.signal(signal.SIGHUP, self._on_sighup)

    def _on_sigterm(self, _: int, __: FrameType | None) -> None:
        self._has_sigterm = True

    def _on_sighup(self, _: int, __: FrameType | None) -> None:
        self._has_sighup = True

    def add(self, port: Port, on_end: Callable[[], None] | None = None) -> None:
        """Watches a port from now on. ``on_end`` is called after the last use of its streams."""
        self._ports[port.source] = port
        if on_end:
            self._on_end[port.source] = on_end
        # POLLHUP and POLLERR need not be requested: poll always reports them.
        self._poll.register(port.source, select.POLLRDHUP)
        self._watched_inputs.add(port.source)
        if port.sink != port.source:
            self._sinks[port.sink] = port
            self._poll.register(port.sink, 0)

    def add_reader(self, descriptor: int, call: Callable[[], object]) -> None:
        """Calls ``call`` whenever a descriptor is readable. ``run`` goes on without ports too."""
        self._readers[descriptor] = call
        self._poll.register(descriptor, select.POLLIN)

    def finish(self) -> None:
        """Waits only for the end of the ports from now on: removes all readers.

        The end of an input shortens no deadline any more.
        """
        for descriptor in self._readers:
            self._poll.unregister(descriptor)
        self._readers.clear()
        for descriptor in self._ports:
            self.ignore_end_of_input(descriptor)

    def ignore_end_of_input(self, source: int) -> None:
        """Watches only the deadlines of a port: the end of its input shortens none any more."""
        self._ended_inputs.discard(source)
        self._stop_watching_input(source)

    def replace_reader(self, old: int, new: int) -> None:
        """Moves the call of ``add_reader`` to another descriptor."""
        self._poll.unregister(old)
        self.add_reader(new, self._readers.pop(old))

    def call_after(self, seconds: float, call: Callable[[], None]) -> None:
        """Calls ``call`` once, unless ``run`` ends before. Replaces an earlier call."""
        self._timer = (time.monotonic() + seconds, call)

    def abort(self, port: Port) -> None:
        """Ends a port. Its pending packet is UNDECIDED."""
        port.abort_pending()
        self._remove(port)

    def _stop_watching_input(self, source: int) -> None:
        if source in self._watched_inputs:
            self._watched_inputs.remove(source)
            self._poll.unregister(source)

    def wake(self) -> None:
        """Makes ``run`` check its ports now. Can be called from any thread."""
        with contextlib.suppress(BlockingIOError):  # a full pipe wakes it too
            os.write(self._wake_write, b"\0")

    def run(self) -> None:
        """Returns when there is nothing left to watch, or after SIGTERM or SIGINT.

        Then each packet that was received has its reply.
        """
        while self._ports or self._readers:
            if self._has_sigterm:
                if self._on_stop is None:
                    break
                self._has_sigterm = False
                self._on_stop()
                continue
            try:
                self._watch()
            except MemoryError:  # the process must not end, and the ports are checked again
                time.sleep(MEMORY_RETRY_SECONDS)
        for port in self._ports.values():
            port.abort_pending()

    def _watch(self) -> None:
        """Waits for the next event and handles it."""
        self._wait()
        if self._has_sighup:
            self._has_sighup = False
            self._on_hangup()
        for descriptor in self._ended_inputs:
            if not _unread_bytes(descriptor):
                self._ports[descriptor].input_has_ended()
        now = time.monotonic()
        for port in list(self._ports.values()):
            port.expire(now)
            if port.has_ended:
                self._remove(port)
        if self._timer and now >= self._timer[0]:
            _, call = self._timer
            self._timer = None
            call()

    def _wait(self) -> None:
        now = time.monotonic()
        checks = [port.next_check(now) for port in self._ports.values()]
        if self._ended_inputs:
            checks.append(now + ENDED_CHECK_SECONDS)
        if self._timer:
            checks.append(self._timer[0])
        milliseconds = max(0.0, min(checks) - now) * 1000 if checks else None
        for descriptor, _ in self._poll.poll(milliseconds):
            self._handle_event(descriptor)

    def _handle_event(self, descriptor: int) -> None:
        if descriptor == self._wake_read:
            os.read(descriptor, 4096)
        elif descriptor in self._readers:
            self._readers[descriptor]()
        elif descriptor in self._sinks:  # no one can read replies any more
            self.abort(self._sinks[descriptor])
        elif descriptor in self._watched_inputs:
            self._ended_inputs.add(descriptor)
            self._stop_watching_input(descriptor)

    def _remove(self, port: Port) -> None:
        del self._ports[port.source]
        self.ignore_end_of_input(port.source)
        if self._sinks.pop(port.sink, None):
            self._poll.unregister(port.sink)
        if on_end := self._on_end.pop(port.source, None):
            on_end()


def _unread_bytes(descriptor: int) -> int:
    """Returns how many bytes a descriptor can deliver without waiting."""
    waiting = array.array("i", [0])
    try:
        fcntl.ioctl(descriptor, termios.FIONREAD, waiting)
    except OSError:
        return 0
    return waiting[0]
