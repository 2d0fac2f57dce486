"""``extauth-http relay``: hands packets on to ``extauth-http serve`` and answers back.

One runs for each pool member, so it is small: the standard library, little of it, and nothing of
this package. It does not know what a packet says, except whether it may be sent twice.

It keeps the promises by itself. Each packet gets one answer, in order and in time; where the
service is not there, or not in time, that answer is UNDECIDED. A connection on which an answer is
missing is closed: what comes late must never be taken for the answer to the next packet.
"""

import os
import select
import time

# The modules beneath signal and socket: the same calls without the enumerations around them, which
# would make each pool member 1 MB bigger.
from _signal import SIG_IGN, SIGHUP, SIGINT, SIGTERM, signal  # type: ignore[import-not-found]
from _socket import AF_UNIX, socket

DEFAULT_SOCKET = "/run/extauth-http/port.sock"
DEFAULT_DEADLINE = 9.0
"""Seconds: above the 8 that the service gives itself, below the 10 of the least patient server."""

UNDECIDED = {"ejabberd": b"\x00\x02\x00\x02", "boolean": b"\x00\x02\x00\x00"}
"""The answer by dialect, as ``protocol.py`` has it."""

ANSWERS = (b"\x00\x02\x00\x00", b"\x00\x02\x00\x01", b"\x00\x02\x00\x02")
READS = (b"auth:", b"isuser:", b"certauth:")
"""What may be asked once more on a new connection, when the old one ended without an answer."""

END_SECONDS = 0.5
"""What a packet still gets when the input has ended behind it."""

FULL_SECONDS = 0.02
"""Between two tries to connect to a service whose queue of connections is full."""

READ_BYTES = 65_536
MAX_AHEAD = 2 * READ_BYTES
"""Bytes that are read while an answer is under way; the end of input is seen behind them."""


class _Gone(Exception):  # noqa: N818 - an end, not an error
    """Nobody reads the answers any more."""


class _Lost(Exception):  # noqa: N818 - a state of the connection
    """No answer will come. ``again`` says whether the packet may be sent once more."""

    def __init__(self, why: str, *, again: bool = False) -> None:
        super().__init__(why)
        self.again = again


class Relay:
    """Standard input and output, and the connection to the service at ``path``."""

    def __init__(self, path: str, dialect: str, deadline: float) -> None:
        self._path = path
        self._undecided = UNDECIDED[dialect]
        self._deadline = deadline
        self._service: socket | None = None
        self._trouble = ""
        self._ahead = bytearray()
        self._has_ended = False
        self._due = 0.0
        self._is_asking = False

    def run(self) -> None:
        """Answers packets until the input ends, nobody reads the answers, or SIGTERM or SIGINT."""
        signal(SIGTERM, self._told_to_stop)
        signal(SIGINT, self._told_to_stop)
        signal(SIGHUP, SIG_IGN)  # there is nothing here to reload
        try:
            os.fstat(2)
        except OSError:  # else the connection gets its number, and what is said about trouble
            os.open(os.devnull, os.O_WRONLY)
        try:
            while (packet := self._next_packet()) is not None:
                self._due = time.monotonic() + self._deadline
                self._hurry()
                self._is_asking = True
                answer = self._answer(packet)
                self._is_asking = False
                self._write(answer)
        except _Gone:
            pass

    def _told_to_stop(self, *_: object) -> None:
        if self._is_asking:
            self._is_asking = False
            self._put(1, self._undecided)
        os._exit(0)

    # Standard input and output.

    def _next_packet(self) -> bytes | None:
        """The next packet, its length included, or None at the end of input."""
        while True:
            end = 2 + int.from_bytes(self._ahead[:2])
            if len(self._ahead) >= end:
                packet = bytes(self._ahead[:end])
                del self._ahead[:end]
                return packet
            if self._has_ended:
                return None
            self._wait(None)

    def _wait(self, seconds: float | None, service: int = -1, event: int = 0) -> bool:
        """Waits for the service, and reads input meanwhile. True where the service is ready."""
        poll = select.poll()
        poll.register(1, 0)
        if not self._has_ended and len(self._ahead) < MAX_AHEAD:
            poll.register(0, select.POLLIN)
        if event:
            poll.register(service, event)
        ready = [found for found, _ in poll.poll(None if seconds is None else seconds * 1000)]
        if 1 in ready:
            raise _Gone
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
        self._ahead += data
        self._has_ended = not data
        self._hurry()

    def _hurry(self) -> None:
        if self._has_ended and not self._ahead:
            self._due = min(self._due, time.monotonic() + END_SECONDS)

    def _write(self, answer: bytes) -> None:
        while True:
            try:
                os.write(1, answer)
            except BlockingIOError:
                select.select([], [1], [])
            except OSError:
                raise _Gone from None
            else:
                return

    # The service.

    def _answer(self, packet: bytes) -> bytes:
        try:
            try:
                answer = self._ask(packet)
            except _Lost as lost:
                self._drop()
                if not lost.again:
                    raise
                answer = self._ask(packet)
        except _Lost as lost:
            self._drop()
            self._say(str(lost))
            return self._undecided
        self._say("")
        return answer

    def _ask(self, packet: bytes) -> bytes:
        """One packet to the service, and its answer. Raises _Lost."""
        service = self._connected()
        left = memoryview(packet)
        while left:
            try:
                left = left[service.send(left) :]
            except BlockingIOError:
                self._wait_for(service, select.POLLOUT)
            except OSError as error:
                raise _Lost(_why(error), again=True) from None
        answer = b""
        while len(answer) < 4:
            self._wait_for(service, select.POLLIN)
            try:
                data = service.recv(64)
            except BlockingIOError:
                continue
            except OSError as error:
                raise _Lost(_why(error), again=packet.startswith(READS, 2)) from None
            if not data:
                raise _Lost("closed without an answer", again=packet.startswith(READS, 2))
            answer += data
        if answer not in ANSWERS:
            raise _Lost("what came is no answer")
        return answer

    def _wait_for(self, service: socket, event: int) -> None:
        while not self._wait(self._left(), service.fileno(), event):
            pass

    def _left(self) -> float:
        left = self._due - time.monotonic()
        if left <= 0:
            raise _Lost("no answer in time")
        return left

    def _connected(self) -> socket:
        """The connection to the service; made anew where it has ended or spoke unasked."""
        if self._service:
            poll = select.poll()
            poll.register(self._service, select.POLLIN)
            if not poll.poll(0):
                return self._service
            self._drop()
        service = None
        try:
            service = socket(AF_UNIX)
            service.setblocking(False)
            while True:
                try:
                    service.connect(self._path)
                except BlockingIOError:  # it is there, and has a queue
                    self._wait(min(FULL_SECONDS, self._left()))
                else:
                    break
        except OSError as error:
            raise _Lost(_why(error)) from None
        else:
            self._service = service
            return service
        finally:
            if service and service is not self._service:
                service.close()

    def _drop(self) -> None:
        if self._service:
            self._service.close()
            self._service = None

    def _say(self, trouble: str) -> None:
        """Tells standard error when trouble begins and when it is over, without waiting for it."""
        if bool(trouble) == bool(self._trouble):
            return
        self._trouble = trouble
        state = f"{trouble}; until it answers, everything is UNDECIDED" if trouble else "is back"
        line = f"extauth-http relay: {self._path}: {state}\n"
        self._put(2, line.encode(errors="replace"))

    def _put(self, descriptor: int, data: bytes) -> None:
        """Writes what may get lost, where there is room for it at once."""
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        if poll.poll(0) == [(descriptor, select.POLLOUT)]:
            os.write(descriptor, data)


def _why(error: OSError) -> str:
    return error.strerror or str(error)


def options(arguments: list[str]) -> tuple[str, str, float] | None:
    """Socket, dialect and deadline, or None where it takes a real parser to say what is wrong."""
    path, dialect, deadline = DEFAULT_SOCKET, "ejabberd", DEFAULT_DEADLINE
    left = iter(arguments)
    for name in left:
        value = next(left, "")
        if name == "--socket" and value:
            path = value
        elif name == "--dialect" and value in UNDECIDED:
            dialect = value
        elif name == "--deadline" and value.replace(".", "", 1).isdecimal():
            deadline = float(value)
        else:
            return None
    return path, dialect, deadline
