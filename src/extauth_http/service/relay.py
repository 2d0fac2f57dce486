"""``extauth-http relay``: forwards packets to ``extauth-http serve`` and returns its replies.

One relay runs for each pool member, so it is small: it uses a few modules of the standard library
and nothing else of this package. It does not parse a packet. It only looks at the operation, to
know whether a packet may be sent twice.

A relay keeps the promises without the service. Each packet gets one reply, in order and before
the deadline. If the service is not available or is too slow, the reply is UNDECIDED. If it was
there a moment ago, the packet waits for its restart. A connection on which a reply is missing is
closed, so that a late reply is never used for the next packet.
"""

import os
import select
import time

# The C modules under signal and socket: the same calls without the enums of the Python modules,
# which would add 1 MB to each pool member.
from _signal import SIG_IGN, SIGHUP, SIGINT, SIGTERM, signal  # type: ignore[import-not-found]
from _socket import AF_UNIX, socket

UNDECIDED_REPLIES = {"ejabberd": b"\x00\x02\x00\x02", "boolean": b"\x00\x02\x00\x00"}
"""The reply UNDECIDED by dialect, the same as in ``protocol/replies.py``."""

REPLIES = (b"\x00\x02\x00\x00", b"\x00\x02\x00\x01", b"\x00\x02\x00\x02")
REPEATABLE = (b"auth:", b"isuser:", b"certauth:")
"""Packets that change nothing. They are sent again if the connection closes without a reply."""

SECONDS_AFTER_INPUT = 0.5
"""The time that remains for the last packet after the end of input."""

CONNECT_RETRY_SECONDS = 0.02
"""The pause between two attempts to connect while the backlog of the service is full."""

RESTART_SHARE = 0.5
"""The share of the deadline for which packets wait at most for a service that accepted a connection
before and is gone: it may be restarting."""

READ_BYTES = 65_536
MAX_BUFFERED_INPUT = 2 * READ_BYTES
"""Bytes to read while a reply is pending. Reading on is how the end of input is noticed."""


class OutputClosedError(Exception):
    """The reader of standard output is gone."""


class NoReplyError(Exception):
    """The service will not reply to this packet.

    ``is_repeatable`` is true if the packet may be sent again on a new connection.
    """

    def __init__(self, reason: str, *, is_repeatable: bool = False) -> None:
        super().__init__(reason)
        self.is_repeatable = is_repeatable


class Relay:
    """Standard input and output, and one connection to the service at the socket ``path``.

    ``dialect`` is a key of ``UNDECIDED_REPLIES``, ``deadline`` is in seconds for each packet.
    """

    def __init__(self, path: str, dialect: str, deadline: float) -> None:
        self._path = path
        self._undecided = UNDECIDED_REPLIES[dialect]
        self._deadline = deadline
        self._service: socket | None = None
        self._reported_failure = False
        self._restart_ends_at: float | None = 0.0
        """The time until which packets wait for a service that is gone. None while it is there."""
        self._input = bytearray()
        self._input_ended = False
        self._expires_at = 0.0
        self._reply_is_pending = False

    def run(self) -> None:
        """Replies to packets until the input ends or the output is closed.

        SIGTERM and SIGINT end the process.
        """
        signal(SIGTERM, self._exit_on_signal)
        signal(SIGINT, self._exit_on_signal)
        signal(SIGHUP, SIG_IGN)  # a relay has no configuration to reload
        try:
            os.fstat(2)
        except OSError:  # otherwise the connection would get this number, and the error messages
            os.open(os.devnull, os.O_WRONLY)
        try:
            while (packet := self._next_packet()) is not None:
                self._expires_at = time.monotonic() + self._deadline
                self._shorten_deadline_after_input()
                self._reply_is_pending = True
                reply = self._reply_to(packet)
                self._reply_is_pending = False
                self._write(reply)
        except OutputClosedError:
            pass

    def _exit_on_signal(self, *_: object) -> None:
        if self._reply_is_pending:
            self._reply_is_pending = False
            self._write_if_ready(1, self._undecided)
        os._exit(0)

    # Standard input and output.

    def _next_packet(self) -> bytes | None:
        """The next packet with its length, or None at the end of input."""
        while True:
            end = 2 + int.from_bytes(self._input[:2])
            if len(self._input) >= end:
                packet = bytes(self._input[:end])
                del self._input[:end]
                return packet
            if self._input_ended:
                return None
            self._poll(None)

    def _poll(self, seconds: float | None, service: int = -1, event: int = 0) -> bool:
        """Waits for ``event`` on the descriptor ``service`` and reads input in the meantime.

        Returns true if the service is ready. Raises OutputClosedError.
        """
        poll = select.poll()
        poll.register(1, 0)
        if not self._input_ended and len(self._input) < MAX_BUFFERED_INPUT:
            poll.register(0, select.POLLIN)
        if event:
            poll.register(service, event)
        ready = [found for found, _ in poll.poll(None if seconds is None else seconds * 1000)]
        if 1 in ready:
            raise OutputClosedError
        if 0 in ready:
            self._read()
        return service in ready

    def _read(self) -> None:
        try:
            data = os.read(0, READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._input += data
        self._input_ended = not data
        self._shorten_deadline_after_input()

    def _shorten_deadline_after_input(self) -> None:
        if self._input_ended and not self._input:
            self._expires_at = min(self._expires_at, time.monotonic() + SECONDS_AFTER_INPUT)

    def _write(self, reply: bytes) -> None:
        while True:
            try:
                os.write(1, reply)
            except BlockingIOError:
                select.select([], [1], [])
            except OSError:
                raise OutputClosedError from None
            else:
                return

    # The service.

    def _reply_to(self, packet: bytes) -> bytes:
        for is_last_attempt in (False, True):
            try:
                reply = self._exchange(packet)
            except NoReplyError as error:
                self._disconnect()
                if is_last_attempt or not error.is_repeatable:
                    self._report_failure(str(error))
                    break
            else:
                self._report_recovery()
                return reply
        return self._undecided

    def _exchange(self, packet: bytes) -> bytes:
        """Sends one packet to the service and returns its reply. Raises NoReplyError."""
        service = self._connect()
        unsent = memoryview(packet)
        while unsent:
            try:
                unsent = unsent[service.send(unsent) :]
            except BlockingIOError:
                self._wait_for(service, select.POLLOUT)
            except OSError as error:
                raise NoReplyError(_text(error), is_repeatable=True) from None
        reply = b""
        while len(reply) < 4:
            self._wait_for(service, select.POLLIN)
            try:
                data = service.recv(64)
            except BlockingIOError:
                continue
            except OSError as error:
                is_repeatable = packet.startswith(REPEATABLE, 2)
                raise NoReplyError(_text(error), is_repeatable=is_repeatable) from None
            if not data:
                is_repeatable = packet.startswith(REPEATABLE, 2)
                raise NoReplyError("connection closed without a reply", is_repeatable=is_repeatable)
            reply += data
        if reply not in REPLIES:
            raise NoReplyError("invalid reply")
        return reply

    def _wait_for(self, service: socket, event: int) -> None:
        while not self._poll(self._remaining_seconds(), service.fileno(), event):
            pass

    def _remaining_seconds(self) -> float:
        seconds = self._expires_at - time.monotonic()
        if seconds <= 0:
            raise NoReplyError("no reply before the deadline")
        return seconds

    def _connect(self) -> socket:
        """The connection to the service.

        An open connection is used again unless it is closed or has data that belongs to no packet.
        """
        if self._service:
            poll = select.poll()
            poll.register(self._service, select.POLLIN)
            if not poll.poll(0):
                return self._service
            self._disconnect()
        service = None
        try:
            service = socket(AF_UNIX)
            service.setblocking(False)
            while True:
                try:
                    service.connect(self._path)
                except BlockingIOError:  # the backlog is full
                    pass
                except (FileNotFoundError, ConnectionRefusedError):
                    if not self._may_be_restarting():
                        raise
                else:
                    break
                self._poll(min(CONNECT_RETRY_SECONDS, self._remaining_seconds()))
        except OSError as error:
            raise NoReplyError(_text(error)) from None
        else:
            self._service = service
            self._restart_ends_at = None
            return service
        finally:
            if service and service is not self._service:
                service.close()

    def _may_be_restarting(self) -> bool:
        """Whether the service was there until a moment ago. Nothing was sent to it, so any packet
        can wait."""
        now = time.monotonic()
        if self._restart_ends_at is None:
            self._restart_ends_at = now + RESTART_SHARE * self._deadline
        return now < self._restart_ends_at

    def _disconnect(self) -> None:
        if self._service:
            self._service.close()
            self._service = None

    # Messages on standard error: one at the first failure, one at the recovery.

    def _report_failure(self, reason: str) -> None:
        if not self._reported_failure:
            self._reported_failure = True
            self._report(f"{reason}; every packet is UNDECIDED until the service replies")

    def _report_recovery(self) -> None:
        if self._reported_failure:
            self._reported_failure = False
            self._report("the service replies again")

    def _report(self, text: str) -> None:
        line = f"extauth-http relay: {self._path}: {text}\n"
        self._write_if_ready(2, line.encode(errors="replace"))

    def _write_if_ready(self, descriptor: int, data: bytes) -> None:
        """Writes data, or drops it if the descriptor is not ready."""
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        if poll.poll(0) == [(descriptor, select.POLLOUT)]:
            os.write(descriptor, data)


def _text(error: OSError) -> str:
    return error.strerror or str(error)
