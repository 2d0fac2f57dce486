"""The loop over one pair of byte streams: each packet gets one answer, in order, in time.

This file does not know what decides, what a service is, or whether the streams are pipes, a socket
or a file.

A packet is read, decided and answered by one thread, without a hand-over. Where a command is not
decided when its time is up the watch (``expire``) puts a new thread in the place of the one that
hangs: it answers, then reads the next packet; the late answer of the other falls into the void.
Which of the two answers is settled by ``_Flight.claim``, which only one of them gets, and which of
them reads on, where it is the log that hangs, by ``_Flight.pass_on``.
"""

import contextlib
import ctypes
import os
import select
import threading
import time
from collections.abc import Callable
from typing import Protocol

from extauth_http.program.outcome import Decision, Outcome
from extauth_http.protocol.command import Command, Operation
from extauth_http.protocol.packets import MalformedPacketError, parse
from extauth_http.protocol.replies import Dialect
from extauth_http.protocol.verdict import Answer, Verdict

GRACE_SECONDS = 0.03
"""How long after its deadline a command is answered by the watch: time for the thread that asked
to say itself what it was waiting for."""

CHECK_SECONDS = 0.05
"""Between looks at what the watch cannot wait for in any other way."""

LAST_SECONDS = 0.3
"""What a last answer gets when the program is told to go: who should read it may have stopped."""

END_SECONDS = 0.5
"""What a command still gets when the input has ended behind it, and what is said about that end."""

MAX_STUCK = 16
"""Threads that may hang at a time. More, and commands are UNDECIDED without being asked."""

READ_BYTES = 65_536


class DeciderLike(Protocol):
    """What answers commands; ``deadline`` is in seconds."""

    @property
    def deadline(self) -> float: ...
    @property
    def dialect(self) -> Dialect: ...
    def decide(self, command: Command, due: float, request_id: str) -> Decision: ...
    def kind(self, host: str) -> str | None: ...


class Reader(Protocol):
    """Cuts what was read into packets; ``feed(b"")`` says that no more will come."""

    def feed(self, data: bytes) -> None: ...
    def next_packet(self) -> bytes | None: ...
    @property
    def has_packet(self) -> bool: ...
    @property
    def leftover(self) -> int: ...


class PendingPacket:
    """A packet that is being answered."""

    def __init__(self, packet: bytes, deadline: float, dialect: Dialect) -> None:
        self.request_id = os.urandom(8).hex()
        self.size = len(packet)
        self.started = time.monotonic()
        self.due = self.started + deadline
        self.operation: Operation | None = None
        self.command: Command | None = None
        self.dialect = dialect
        self.backend: str | None = None
        self.is_written = False
        self._claim = threading.Lock()
        self._passed = threading.Lock()

    def claim(self) -> bool:
        """True for the first who asks: that one answers."""
        return self._claim.acquire(blocking=False)

    def pass_on(self) -> bool:
        """True for the first who asks once it is answered: that one sees to the next packet."""
        return self._passed.acquire(blocking=False)

    @property
    def is_claimed(self) -> bool:
        return self._claim.locked()


class _AbandonedError(BaseException):
    """Raised in a thread that hangs, to end it where Python can."""


class Port:
    """One stream of packets and its answers.

    ``source`` and ``sink`` are file descriptors; ``encode`` makes the bytes of an answer, which go
    out in one write; ``begin`` is told that a packet has come, and ``record`` its outcome after it
    was answered; ``wake`` makes the watch look at this port at once: it has ended, or its deadline
    has become shorter.
    """

    def __init__(
        self,
        source: int,
        sink: int,
        current: Callable[[], DeciderLike],
        *,
        reader: Reader,
        encode: Callable[[Outcome], bytes],
        record: Callable[[Outcome], None],
        warn: Callable[[str, str], None],
        wake: Callable[[], None],
        begin: Callable[[], None] = lambda: None,
    ) -> None:
        self.source = source
        self.sink = sink
        self._current = current
        self._reader = reader
        self._encode = encode
        self._record = record
        self._warn = warn
        self._wake = wake
        self._begin = begin
        self._flight: PendingPacket | None = None
        self._worker: threading.Thread | None = None
        self._late: tuple[PendingPacket, Decision] | None = None
        self._stuck: list[threading.Thread] = []
        self._deadline = 8.0
        self._dialect = Dialect.EJABBERD
        self.has_ended = False

    def start(self) -> None:
        """Begins to read, in a thread of its own."""
        worker = threading.Thread(target=self._run, args=(self._late,), name="port", daemon=True)
        try:
            worker.start()
        except RuntimeError:  # the machine has no thread to give: the watch tries again
            self._worker = None
        else:
            self._worker = worker
            self._late = None

    # The thread that reads, decides and answers.

    def _run(self, late: tuple[PendingPacket, Decision] | None) -> None:
        with contextlib.suppress(_AbandonedError):
            if late and not self._answer(*late):
                return
            while (packet := self._next_packet()) is not None:
                flight = self._flight = PendingPacket(packet, self._deadline, self._dialect)
                self._begin()
                decision = self._decide(flight, packet)
                if not flight.claim():
                    return
                if not self._answer(flight, decision):
                    return
            self._end()

    def _next_packet(self) -> bytes | None:
        while (packet := self._reader.next_packet()) is None:
            try:
                data = os.read(self.source, READ_BYTES)
            except BlockingIOError:
                select.select([self.source], [], [])
                continue
            except OSError:
                data = b""
            self._reader.feed(data)
            if not data:
                return self._last_packet()
        return packet

    def _last_packet(self) -> bytes | None:
        packet = self._reader.next_packet()
        if packet is None and self._reader.leftover:
            detail = f"the input ended {self._reader.leftover} bytes into a packet"
            _run_with_timeout(lambda: self._warn("input_cut_off", detail), END_SECONDS)
        return packet

    def _decide(self, flight: PendingPacket, packet: bytes) -> Decision:
        try:
            self._stuck = [thread for thread in self._stuck if thread.is_alive()]
            if len(self._stuck) >= MAX_STUCK:
                return Decision(
                    Answer(Verdict.UNDECIDED, "stuck", f"{MAX_STUCK} earlier commands still hang")
                )
            deciding = self._current()
            self._take_deadline(flight, deciding.deadline)
            flight.dialect = self._dialect = deciding.dialect
            try:
                flight.command = command = parse(packet)
            except MalformedPacketError as malformed:
                flight.operation = malformed.operation
                return Decision(Answer(Verdict.DENY, malformed.reason))
            flight.operation = command.operation
            flight.backend = deciding.kind(command.host)
            return deciding.decide(command, flight.due, flight.request_id)
        except _AbandonedError:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, the packet gets its answer
            return Decision(
                Answer(Verdict.UNDECIDED, "internal_error", type(error).__name__), flight.backend
            )

    def _take_deadline(self, flight: PendingPacket, seconds: float) -> None:
        if seconds == self._deadline:
            return
        sooner = seconds < self._deadline
        self._deadline = seconds
        flight.due = flight.started + seconds
        if sooner:
            self._wake()

    def _answer(self, flight: PendingPacket, decision: Decision) -> bool:
        """Writes the answer and records it; whether this thread reads the next packet."""
        outcome = Outcome(
            flight.request_id,
            flight.size,
            flight.operation,
            flight.command,
            decision,
            flight.dialect,
            time.monotonic() - flight.started,
        )
        flight.is_written = self._write(self._encode(outcome))
        with contextlib.suppress(Exception):
            self._record(outcome)
        if not flight.is_written:
            self._end()
        elif flight.pass_on():
            # The flight is over only now: until then the watch must not take the port for idle.
            self._flight = None
            return True
        return False

    def _write(self, data: bytes) -> bool:
        while data:
            try:
                data = data[os.write(self.sink, data) :]
            except BlockingIOError:
                select.select([], [self.sink], [])
            except OSError:
                return False
        return True

    def _end(self) -> None:
        self.has_ended = True
        self._wake()

    # What the watch calls, from its own thread.

    def next_check(self, now: float) -> float:
        """The earliest time at which ``expire`` could have something to do.

        Where nothing is under way that is a whole deadline from now: what starts later is due
        later. So the watch sleeps through ordinary traffic, and no answer has to wake it.
        """
        if self._worker is None:
            return now + CHECK_SECONDS
        flight = self._flight
        if flight is None:
            return now + self._deadline
        due = flight.due + GRACE_SECONDS
        return max(due, now + CHECK_SECONDS) if flight.is_claimed else due

    def expire(self, now: float) -> None:
        """Leaves the thread of the command under way behind if its time is up.

        It waits for nothing itself, neither for who reads the answers nor for the log.
        """
        if self._worker is None:
            self.start()
            return
        flight = self._flight
        if flight is None or now < flight.due + GRACE_SECONDS:
            return
        hanging = self._worker
        if flight.claim():
            late = Answer(Verdict.UNDECIDED, "deadline", "the backend did not come back in time")
            self._late = flight, Decision(late, flight.backend)
            self._stuck = [*self._stuck, hanging]
            _end_thread(hanging)
        elif flight.is_written and flight.pass_on():
            self._flight = None
        else:
            return
        self.start()

    def input_has_ended(self) -> None:
        """Nothing more will come: the command under way, if it is the last, gets little time."""
        flight = self._flight
        if flight is not None and not self._reader.has_packet:
            flight.due = min(flight.due, time.monotonic() + END_SECONDS)

    def abort_pending(self) -> None:
        """Answers the command under way, if any, with UNDECIDED: the program is told to go."""
        flight = self._flight
        if flight is not None and flight.claim():
            stopped = Decision(Answer(Verdict.UNDECIDED, "stopped"), flight.backend)
            _run_with_timeout(lambda: self._answer(flight, stopped), LAST_SECONDS)


def _run_with_timeout(call: Callable[[], object], seconds: float) -> None:
    """Waits so long for a call and no longer; it may hang."""
    thread = threading.Thread(target=call, daemon=True)
    with contextlib.suppress(RuntimeError):  # the machine has no thread to give
        thread.start()
        thread.join(seconds)


def _end_thread(thread: threading.Thread) -> None:
    """Ends a thread at its next line of Python, wherever that is. One that waits in C goes on
    until it comes back."""
    # The number of a thread that has ended is soon another's.
    if thread.ident is not None and thread.is_alive():
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident), ctypes.py_object(_AbandonedError)
        )
