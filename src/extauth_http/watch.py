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

from extauth_http.port import Port

ENDED_TICK = 0.05
"""Seconds between looks at a port whose input has ended while it is still at work: the poll would
report that end without pause."""


class Watch:
    """Watches ports until there is none left or the process is told to go.

    ``on_hangup`` is called for SIGHUP. Only the main thread may make one.
    """

    def __init__(self, on_hangup: Callable[[], None]) -> None:
        self._ports: dict[int, Port] = {}
        self._ended: set[int] = set()
        self._on_hangup = on_hangup
        self._stop = False
        self._hangup = False
        self._poll = select.poll()
        self._wake_read, self._wake_write = os.pipe()
        for end in (self._wake_read, self._wake_write):
            os.set_blocking(end, False)
        self._poll.register(self._wake_read, select.POLLIN)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._told_to_stop)
        signal.signal(signal.SIGINT, self._told_to_stop)
        signal.signal(signal.SIGHUP, self._told_to_reload)

    def _told_to_stop(self, _: int, __: FrameType | None) -> None:
        self._stop = True

    def _told_to_reload(self, _: int, __: FrameType | None) -> None:
        self._hangup = True

    def add(self, port: Port) -> None:
        """Watches a port from now on."""
        self._ports[port.source] = port
        # Asking for no event: the end of the other side is reported all the same.
        self._poll.register(port.source, select.POLLRDHUP)
        if port.sink != port.source:
            self._poll.register(port.sink, 0)

    def wake(self) -> None:
        """Makes the watch look again; from any thread."""
        with contextlib.suppress(BlockingIOError):  # then it is about to wake up anyway
            os.write(self._wake_write, b"\0")

    def run(self) -> None:
        """Returns when the last port has ended, or on SIGTERM or SIGINT; then each packet that
        was being asked has its answer."""
        while not self._stop and any(not port.has_ended for port in self._ports.values()):
            now = time.monotonic()
            due = min(port.next_look(now) for port in self._ports.values())
            if self._ended:
                due = min(due, now + ENDED_TICK)
            for descriptor, event in self._poll.poll(max(0.0, due - now) * 1000):
                self._see(descriptor, event)
            if self._hangup:
                self._hangup = False
                self._on_hangup()
            for descriptor in self._ended:
                if not _unread(descriptor):
                    self._ports[descriptor].input_has_ended()
            now = time.monotonic()
            for port in list(self._ports.values()):
                port.expire(now)
        for port in self._ports.values():
            port.give_up()

    def _see(self, descriptor: int, event: int) -> None:
        if descriptor == self._wake_read:
            os.read(descriptor, 4096)
        elif descriptor in self._ports and descriptor not in self._ended:
            self._ended.add(descriptor)
            self._poll.unregister(descriptor)
        elif event & (select.POLLERR | select.POLLNVAL | select.POLLHUP):
            self._stop = True  # nobody can read an answer any more


def _unread(descriptor: int) -> int:
    """Bytes that wait to be read."""
    waiting = array.array("i", [0])
    try:
        fcntl.ioctl(descriptor, termios.FIONREAD, waiting)
    except OSError:
        return 0
    return waiting[0]
