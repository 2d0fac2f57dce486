"""What a process does beside its ports: keeps their deadlines, hears signals, sees inputs end.

It runs in the main thread and sleeps in one ``poll`` until a deadline can be due.
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
"""Seconds between looks at a port whose input has ended while it is still at work: the poll would
report that end without pause."""


class Watchdog:
    """Watches ports until there is none left or the process is told to go.

    ``on_hangup`` is called for SIGHUP, ``on_stop`` for SIGTERM and SIGINT; without it these end
    the watch. Only the main thread may make one.
    """

    def __init__(
        self, on_hangup: Callable[[], None], on_stop: Callable[[], None] | None = None
    ) -> None:
        self._ports: dict[int, Port] = {}
        self._sinks: dict[int, Port] = {}
        self._readers: dict[int, Callable[[], object]] = {}
        self._on_end: dict[int, Callable[[], None]] = {}
        self._ended: set[int] = set()
        self._finishes = False
        self._on_hangup = on_hangup
        self._on_stop = on_stop
        self._stop = False
        self._hangup = False
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
        self._stop = True

    def _on_sighup(self, _: int, __: FrameType | None) -> None:
        self._hangup = True

    def add(self, port: Port, on_end: Callable[[], None] | None = None) -> None:
        """Watches a port from now on; ``on_end`` is called once nothing uses it any more."""
        self._ports[port.source] = port
        if on_end:
            self._on_end[port.source] = on_end
        # Asking for no event: the end of the other side is reported all the same.
        self._poll.register(port.source, select.POLLRDHUP)
        if port.sink != port.source:
            self._sinks[port.sink] = port
            self._poll.register(port.sink, 0)

    def add_reader(self, descriptor: int, call: Callable[[], object]) -> None:
        """Calls whenever a descriptor can be read; so long the watch goes on without ports too."""
        self._readers[descriptor] = call
        self._poll.register(descriptor, select.POLLIN)

    def finish(self) -> None:
        """Goes on until the ports that there are have ended by themselves: hears nothing else,
        and does not hurry a command because its input has ended."""
        for descriptor in (*self._readers, *(self._ports.keys() - self._ended)):
            self._poll.unregister(descriptor)
        self._readers.clear()
        self._ended.clear()
        self._finishes = True

    def wake(self) -> None:
        """Makes the watch look again; from any thread."""
        with contextlib.suppress(BlockingIOError):  # then it is about to wake up anyway
            os.write(self._wake_write, b"\0")

    def run(self) -> None:
        """Returns when there is nothing to watch any more, or on SIGTERM or SIGINT; then each
        packet that was being asked has its answer."""
        while self._ports or self._readers:
            if self._stop:
                if self._on_stop is None:
                    break
                self._stop = False
                self._on_stop()
                continue
            self._sleep()
            if self._hangup:
                self._hangup = False
                self._on_hangup()
            for descriptor in self._ended:
                if not _unread(descriptor):
                    self._ports[descriptor].input_has_ended()
            now = time.monotonic()
            for port in list(self._ports.values()):
                port.expire(now)
                if port.has_ended:
                    self._forget(port)
        for port in self._ports.values():
            port.abort_pending()

    def _sleep(self) -> None:
        now = time.monotonic()
        looks = [port.next_check(now) for port in self._ports.values()]
        if self._ended:
            looks.append(now + ENDED_CHECK_SECONDS)
        left = max(0.0, min(looks) - now) * 1000 if looks else None
        for descriptor, _ in self._poll.poll(left):
            self._see(descriptor)

    def _see(self, descriptor: int) -> None:
        if descriptor == self._wake_read:
            os.read(descriptor, 4096)
        elif descriptor in self._readers:
            self._readers[descriptor]()
        elif descriptor in self._sinks:  # nobody can read an answer any more
            port = self._sinks[descriptor]
            port.abort_pending()
            self._forget(port)
        elif descriptor in self._ports and descriptor not in self._ended:
            self._ended.add(descriptor)
            self._poll.unregister(descriptor)

    def _forget(self, port: Port) -> None:
        del self._ports[port.source]
        if port.source in self._ended:
            self._ended.discard(port.source)
        elif not self._finishes:
            self._poll.unregister(port.source)
        if self._sinks.pop(port.sink, None):
            self._poll.unregister(port.sink)
        if on_end := self._on_end.pop(port.source, None):
            on_end()


def _unread(descriptor: int) -> int:
    """Bytes that wait to be read."""
    waiting = array.array("i", [0])
    try:
        fcntl.ioctl(descriptor, termios.FIONREAD, waiting)
    except OSError:
        return 0
    return waiting[0]
