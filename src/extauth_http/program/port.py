"""The loop over one pair of byte streams: each packet gets one reply, in order and in time.

The file descriptors may be pipes, sockets or files. This module does not know what decides. One
worker thread reads a packet, decides it, writes the reply and records the outcome. The watchdog
calls ``expire`` from its own thread, which starts a new worker in two cases:

- The time of a packet is up. The new worker answers it with UNDECIDED and reads on. The old worker
  finds that the packet is claimed and ends.
- The worker has ended unexpectedly, for example by a ``MemoryError``. The new worker continues with
  what the old one left: unread data, a packet, or a reply that is not written.

``PendingPacket`` settles which thread may answer a packet and which one reads the next.
"""

import contextlib
import os
import select
import threading
import time
from collections.abc import Callable

from extauth_http.program.input_reader import PacketSource, Reader
from extauth_http.program.outcome import DeciderLike, Decision, Outcome, internal_error
from extauth_http.program.pending_packet import ANSWERING, DONE, WRITTEN, PendingPacket
from extauth_http.program.queue_age import QueueAge
from extauth_http.program.threads import ThreadInterruptedError, WatchedThread, run_with_timeout
from extauth_http.protocol.command import Command
from extauth_http.protocol.packet_parser import MalformedPacketError, parse
from extauth_http.protocol.replies import Dialect
from extauth_http.protocol.verdict import Answer, Verdict

GRACE_SECONDS = 0.03
"""Time between a packet's deadline and the reply of the watchdog. A backend that keeps the deadline
uses it to report what it was waiting for."""

CHECK_SECONDS = 0.05
"""Time between two checks for something that cannot wake the watchdog, and between two restarts of
a worker that ends again at once."""

ABORT_SECONDS = 0.3
"""Time for the last reply after SIGTERM. The process that should read it may have stopped."""

END_SECONDS = 0.5
"""Time for the last packet after end of input, and for the log event about that end."""

MAX_STUCK = 16
"""Threads that may hang at a time. With more, packets are UNDECIDED without a backend call."""


class Port:
    """One stream of packets and its replies.

    ``source`` and ``sink`` are file descriptors. ``acquire`` returns the decider for the next
    packet. ``begin`` is called when a packet has arrived. ``encode`` returns the bytes of a reply,
    which go out in one write. ``record`` is called after the reply is out. ``warn`` takes the name
    and the detail of a log event. ``wake`` makes the watchdog check this port at once.
    ``has_reader`` returns whether someone can read the reply. ``queue_age`` belongs to the input.
    """

    def __init__(
        self,
        source: int,
        sink: int,
        acquire: Callable[[], DeciderLike],
        *,
        reader: Reader,
        encode: Callable[[Outcome], bytes],
        record: Callable[[Outcome], None],
        warn: Callable[[str, str], None],
        wake: Callable[[], None],
        begin: Callable[[], None] = lambda: None,
        has_reader: Callable[[], bool] = lambda: True,
        queue_age: QueueAge | None = None,
    ) -> None:
        self.source = source
        self.sink = sink
        self._acquire = acquire
        self._packets = PacketSource(source, reader)
        self._encode = encode
        self._record = record
        self._warn = warn
        self._wake = wake
        self._begin = begin
        self._has_reader = has_reader
        self._queue_age = queue_age
        self._worker: WatchedThread | None = None
        self._next_restart = 0.0
        self._stuck: list[threading.Thread] = []
        self._deadline = 8.0
        self._dialect = Dialect.EJABBERD
        self.has_ended = False
        """Whether no more packets come, or no one reads the replies."""
        self.pending: PendingPacket | None = None
        """The packet whose reply or log event is not finished."""
        self._queued_until = 0.0

    def start(self) -> None:
        """Starts a worker. If the system cannot start a thread, ``expire`` tries again."""
        self._worker = None
        with contextlib.suppress(RuntimeError, MemoryError):
            worker = WatchedThread("port", self._run, on_end=self._wake)
            worker.start()
            self._worker = worker

    # The worker thread.

    def _run(self) -> None:
        """Answers what the last worker left, and then packets until end of input."""
        goes_on = self.pending is None or self._answer(self.pending)
        while goes_on:
            goes_on = self._answer_next_packet()

    def _answer_next_packet(self) -> bool:
        """Reads and answers one packet. Returns whether this thread reads the next one."""
        waiting_since = time.monotonic()
        packet = self._packets.next_packet()
        if packet is None:
            self._warn_of_leftover()
            self.has_ended = True
            return False
        pending = self.pending = PendingPacket(len(packet), self._deadline, self._dialect)
        pending.is_queued = pending.started < self._queued_until
        if self._queue_age:
            self._queue_age.packet_arrived(waiting_since, pending.started)
        self._packets.consume()
        self._begin()
        return self._decide(pending, packet) and self._answer(pending)

    def _warn_of_leftover(self) -> None:
        if self._packets.leftover:
            detail = f"the input ended {self._packets.leftover} bytes into a packet"
            run_with_timeout(lambda: self._warn("input_cut_off", detail), END_SECONDS)

    def _decide(self, pending: PendingPacket, packet: bytes) -> bool:
        """Decides a packet and claims it. Returns False if the watchdog has claimed it."""
        try:
            prepared = self._prepare(pending, packet)
        except BaseException as error:  # noqa: BLE001 - any error must lead to a reply
            prepared = internal_error(pending.backend, type(error).__name__)
        if isinstance(prepared, Decision):
            is_claimed = pending.claim(prepared) is not None
        else:
            is_claimed = self._call_backend(pending, *prepared)
        if not is_claimed:
            pending.release()
        return is_claimed

    def _prepare(
        self, pending: PendingPacket, packet: bytes
    ) -> Decision | tuple[DeciderLike, Command]:
        """Returns what decides the packet, or a decision that needs no backend."""
        if self._stuck:
            self._stuck = [thread for thread in self._stuck if thread.is_alive()]
        if len(self._stuck) >= MAX_STUCK:
            detail = f"{MAX_STUCK} earlier commands still hang"
            return Decision(Answer(Verdict.UNDECIDED, "stuck", detail))
        decider = self._acquire()
        pending.use(decider)
        self._set_deadline(pending, decider.deadline)
        pending.dialect = self._dialect = decider.dialect
        try:
            pending.command = command = parse(packet)
        except MalformedPacketError as malformed:
            pending.operation = malformed.operation
            return Decision(Answer(Verdict.DENY, malformed.reason))
        pending.operation = command.operation
        pending.backend = decider.kind(command.host)
        if not self._has_reader():
            return Decision(Answer(Verdict.UNDECIDED, "disconnected"), pending.backend)
        if self._queue_age and not self._queue_age.leaves_time_for(pending):
            return Decision(Answer(Verdict.UNDECIDED, "overload"), pending.backend)
        return decider, command

    def _set_deadline(self, pending: PendingPacket, seconds: float) -> None:
        if seconds == self._deadline:
            return
        is_sooner = seconds < self._deadline
        self._deadline = seconds
        pending.due = pending.started + seconds
        if is_sooner:
            self._wake()

    def _call_backend(self, pending: PendingPacket, decider: DeciderLike, command: Command) -> bool:
        """Decides and claims a packet. The watchdog may interrupt this function and no other."""
        try:
            if not pending.start_deciding():
                return False
            try:
                decision = decider.decide(command, pending.due, pending.request_id)
            except ThreadInterruptedError:
                raise
            except BaseException as error:  # noqa: BLE001 - any error must lead to a reply
                decision = internal_error(pending.backend, type(error).__name__)
            if pending.claim(decision):
                return True
            pending.wait_for_interrupt()
        except ThreadInterruptedError:
            pass
        return False

    def _answer(self, pending: PendingPacket) -> bool:
        """Writes and records the reply. Returns whether this thread reads the next packet."""
        outcome = pending.make_outcome()
        if pending.reply is None:
            pending.reply = self._encode(outcome)
        is_written = self._write(pending, pending.reply)
        self._queued_until = pending.queued_until(outcome.seconds)
        pending.advance(ANSWERING, WRITTEN if is_written else DONE)
        pending.release()
        try:  # noqa: SIM105 - ``contextlib.suppress`` costs 0.2 µs per packet
            self._record(outcome)
        except BaseException:  # noqa: BLE001, S110 - an error of the log costs no reply
            pass
        if not is_written:
            self.has_ended = True
        elif pending.finish():
            self.pending = None  # not earlier: the watchdog takes a port without one for idle
            return True
        return False

    def _write(self, pending: PendingPacket, reply: bytes) -> bool:
        """Writes what is not out yet. Returns False if no one reads the replies any more."""
        while pending.written < len(reply):
            try:
                pending.written += os.write(self.sink, reply[pending.written :])
            except BlockingIOError:
                select.select([], [self.sink], [])
            except OSError:
                return False
        return True

    # What the watchdog calls, from its own thread.

    def next_check(self, now: float) -> float:
        """Returns the earliest time at which ``expire`` may have something to do.

        An idle port returns a whole deadline from now, because a packet that arrives later is due
        later. So the watchdog sleeps through ordinary traffic and no packet has to wake it.
        """
        if self._worker is None or self._worker.is_over:
            return now + CHECK_SECONDS
        pending = self.pending
        if pending is None:
            return now + self._deadline
        due = pending.due + GRACE_SECONDS
        return max(due, now + CHECK_SECONDS) if pending.is_claimed else due

    def expire(self, now: float) -> None:
        """Starts a new worker if the old one has ended or its packet's time is up. Never waits."""
        worker = self._worker
        if worker is None:
            self.start()
        elif worker.is_over:
            # ``has_ended`` is set before ``is_over``.
            if not self.has_ended and now >= self._next_restart:
                self._next_restart = now + CHECK_SECONDS
                self._restart(worker)
        else:
            pending = self.pending
            if pending is not None and now >= pending.due + GRACE_SECONDS:
                self._replace(worker, pending)

    def _restart(self, worker: WatchedThread) -> None:
        """Starts a worker after one that has ended unexpectedly."""
        pending = self.pending
        if pending is not None:
            self._packets.consume()  # the worker may have ended just before this step
            if not pending.recover(internal_error(pending.backend, worker.error)):
                pending.release()
                self.pending = None
        self.start()

    def _replace(self, worker: WatchedThread, pending: PendingPacket) -> None:
        """Starts a worker in place of one that hangs: before the reply, or in the log after it."""
        late = Answer(Verdict.UNDECIDED, "deadline", "the backend call did not return in time")
        if pending.claim_from(worker, Decision(late, pending.backend)):
            self._worker = None  # if a step below fails, the next ``expire`` starts a worker
        elif pending.finish():
            self._worker = self.pending = None
            pending.release()
        else:  # the worker waits for the reader of the replies
            return
        self._stuck = [*self._stuck, worker]
        self.start()

    def input_has_ended(self) -> None:
        """Shortens the deadline of a packet after which the input has ended."""
        pending = self.pending
        if pending is not None and not self._packets.has_packet:
            pending.due = min(pending.due, time.monotonic() + END_SECONDS)

    def abort_pending(self) -> None:
        """Answers the pending packet, if any, with UNDECIDED before the port is closed."""
        pending = self.pending
        if pending is None:
            return
        stopped = Decision(Answer(Verdict.UNDECIDED, "stopped"), pending.backend)
        if pending.claim_from(None, stopped):
            run_with_timeout(lambda: self._answer(pending), ABORT_SECONDS)
