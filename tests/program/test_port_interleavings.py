"""Any interleaving of a port's workers, its watchdog and its streams keeps the order of replies.

Each step of a worker stops at a gate until the test lets it go on, raises an exception in it, or
leaves it there as a thread that hangs. So the interleaving is the test's choice and not the
scheduler's. Every packet has another size, and the reply to a packet is its size: a reply that is
lost, repeated or out of order shows in the numbers.
"""

import contextlib
import os
import threading
import time
from dataclasses import dataclass
from queue import SimpleQueue
from unittest import mock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from extauth_http.program.outcome import Decision, Outcome
from extauth_http.program.port import GRACE_SECONDS, Port
from extauth_http.program.threads import WatchedThread
from extauth_http.protocol.command import Command
from extauth_http.protocol.packet_parser import PacketReader, frame
from extauth_http.protocol.replies import Dialect
from extauth_http.protocol.verdict import Answer, Verdict

DEADLINE = 1000.0
PATIENCE = 20


@dataclass(frozen=True)
class Stop:
    """A worker that waits at a gate. ``answers`` takes an exception to raise, or None."""

    thread: threading.Thread
    gate: str
    answers: "SimpleQueue[type[BaseException] | None]"


class Gates:
    """The gates of all workers. A thread that is not a worker passes them."""

    def __init__(self) -> None:
        self.events: SimpleQueue[Stop | threading.Thread] = SimpleQueue()
        self.is_open = False

    def stop(self, gate: str) -> None:
        """Stops the calling worker."""
        thread = threading.current_thread()
        if thread.name != "port" or self.is_open:
            return
        stop = Stop(thread, gate, SimpleQueue())
        self.events.put(stop)
        error = stop.answers.get()
        if error is not None:
            raise error

    def report(self) -> None:
        """Reports that the calling worker waits for input or has ended."""
        self.events.put(threading.current_thread())


class GatedReader(PacketReader):
    """A reader that stops before each feed, and reports when it has no packet."""

    def __init__(self, gates: Gates) -> None:
        super().__init__()
        self._gates = gates
        self.bytes_fed = 0

    def feed(self, data: bytes) -> None:
        self._gates.stop("feed")
        super().feed(data)
        self.bytes_fed += len(data)

    def next_packet(self) -> bytes | None:
        self._gates.stop("next packet")
        found = super().next_packet()
        if found is None:
            self._gates.report()
        return found


class GatedDecider:
    """Allows every login, after a stop in each step."""

    deadline = DEADLINE
    dialect = Dialect.EJABBERD

    def __init__(self, gates: Gates) -> None:
        self._gates = gates
        self.uses = 0

    def acquire(self) -> "GatedDecider":
        self._gates.stop("acquire")
        self.uses += 1
        return self

    def release(self) -> None:
        self._gates.stop("release")
        self.uses -= 1

    def kind(self, host: str) -> str:
        self._gates.stop("kind")
        return "gated"

    def decide(self, command: Command, due: float, request_id: str) -> Decision:
        self._gates.stop("decide")
        return Decision(Answer(Verdict.ALLOW, "allowed"))


class Interleavings(RuleBasedStateMachine):
    """The steps of workers, the watchdog and both ends of the streams, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.gates = Gates()
        self.reader = GatedReader(self.gates)
        self.decider = GatedDecider(self.gates)
        self.source, self.input = os.pipe()
        self.output, self.sink = os.pipe()
        os.set_blocking(self.output, False)
        self.sent: list[int] = []
        self.replies: list[int] = []
        self.recorded: list[int] = []
        self.bytes_sent = 0
        self.is_input_open = True
        self.is_output_open = True
        self.is_aborted = False
        self.last_reply: int | None = None
        self.lost_releases = 0
        self.stops: list[Stop] = []
        self.waiting: set[threading.Thread] = set()
        self.workers: set[WatchedThread] = set()
        self.port = Port(
            self.source,
            self.sink,
            self.decider.acquire,
            reader=self.reader,
            encode=self._encode,
            record=self._record,
            warn=lambda *_: None,
            wake=self.gates.report,
            begin=lambda: self.gates.stop("begin"),
        )
        self.port.start()
        self._settle()

    def _encode(self, outcome: Outcome) -> bytes:
        self.gates.stop("encode")
        return outcome.size.to_bytes(4)

    def _record(self, outcome: Outcome) -> None:
        self.gates.stop("record")
        self.recorded.append(outcome.size)

    def _settle(self) -> None:
        """Waits until each worker has stopped at a gate, waits for input, or has ended."""
        if self.port._worker is not None:
            self.workers.add(self.port._worker)
        while any(self._is_running(worker) for worker in self.workers):
            event = self.gates.events.get(timeout=PATIENCE)
            if isinstance(event, Stop):
                self.stops.append(event)
                self.waiting.discard(event.thread)
            else:
                self.waiting.add(event)

    def _is_running(self, worker: WatchedThread) -> bool:
        if worker.is_over:
            worker.join(PATIENCE)
            return False
        if any(stop.thread is worker for stop in self.stops):
            return False
        is_input_read = self.reader.bytes_fed == self.bytes_sent and self.is_input_open
        return worker not in self.waiting or not is_input_read

    @precondition(lambda self: self.is_input_open)
    @rule(count=st.integers(1, 3), is_split=st.booleans())
    def send_packets(self, count: int, is_split: bool) -> None:
        data = b""
        for _ in range(count):
            size = len(self.sent) + 20
            data += frame(b"auth:u:h:".ljust(size, b"x"))
            self.sent.append(size)
        for part in (data[:5], data[5:]) if is_split else (data,):
            self.bytes_sent += os.write(self.input, part)
            self._settle()

    @precondition(lambda self: self.is_input_open)
    @rule()
    def end_input(self) -> None:
        os.close(self.input)
        self.is_input_open = False
        self.port.input_has_ended()
        self._settle()

    @precondition(lambda self: self.is_output_open and len(self.sent) > 3)
    @rule()
    def close_output(self) -> None:
        os.close(self.output)
        self.is_output_open = False

    @precondition(lambda self: self.stops)
    @rule(
        data=st.data(),
        steps=st.integers(1, 12),
        error=st.sampled_from([None, None, None, MemoryError, SystemExit]),
    )
    def let_a_worker_go_on(
        self, data: st.DataObject, steps: int, error: type[BaseException] | None
    ) -> None:
        """Lets a worker pass some gates, and raises the exception at the last of them."""
        stop: Stop | None = data.draw(st.sampled_from(self.stops))
        while stop and steps:
            steps -= 1
            self.stops.remove(stop)
            self.lost_releases += stop.gate == "release" and error is not None and not steps
            stop.answers.put(None if steps else error)
            self._settle()
            stop = next((each for each in self.stops if each.thread is stop.thread), None)

    @rule(is_late=st.booleans(), has_threads=st.sampled_from([True, True, False]))
    def watch(self, is_late: bool, has_threads: bool) -> None:
        if self.is_aborted:  # the watchdog has forgotten the port
            return
        pending = self.port.pending
        now = pending.due + GRACE_SECONDS if is_late and pending else 0.0
        self.port._next_restart = 0.0
        no_threads = mock.patch("threading.Thread.start", side_effect=RuntimeError)
        with contextlib.nullcontext() if has_threads else no_threads:
            self.port.expire(now)
        self._settle()

    @precondition(lambda self: self.port.pending is not None and not self.is_aborted)
    @rule()
    def abort(self) -> None:
        pending = self.port.pending
        is_claimed = pending is None or pending.is_claimed
        self.port.abort_pending()
        self.is_aborted = True
        self._read_replies()
        if not is_claimed:
            self.last_reply = len(self.replies)

    @precondition(lambda self: self.is_output_open)
    @invariant()
    def replies_are_those_of_the_first_packets(self) -> None:
        self._read_replies()
        assert self.replies == self.sent[: len(self.replies)]
        assert len(self.recorded) == len(set(self.recorded))
        assert set(self.recorded) <= set(self.replies)
        if self.last_reply is not None:
            assert len(self.replies) == self.last_reply, "a reply after the abort"

    def _read_replies(self) -> None:
        if self.is_output_open:
            with contextlib.suppress(BlockingIOError):
                while data := os.read(self.output, 4):
                    self.replies.append(int.from_bytes(data))

    def teardown(self) -> None:
        self.gates.is_open = True
        for stop in self.stops:
            stop.answers.put(None)
        if self.is_input_open:
            os.close(self.input)
        end = time.monotonic() + PATIENCE
        while not self.port.has_ended and not self.is_aborted:
            self.port.expire(time.monotonic())
            assert time.monotonic() < end, "the port has not ended"
            time.sleep(0.001)
        if self.port._worker is not None:
            self.workers.add(self.port._worker)
        for worker in self.workers:
            worker.join(PATIENCE)
            assert not worker.is_alive()
        self._read_replies()
        os.close(self.source)
        os.close(self.sink)
        if self.is_output_open:
            os.close(self.output)
            if not self.is_aborted:
                assert self.replies == self.sent
        if not self.is_aborted:
            assert self.decider.uses == self.lost_releases


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(deadline=None, stateful_step_count=40)
