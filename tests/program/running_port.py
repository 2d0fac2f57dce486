"""A port between two pipes, with a decider that a test controls."""

import contextlib
import os
import select
import threading
import time
from collections.abc import Callable

from extauth_http.program.outcome import Decision, Outcome
from extauth_http.program.port import Port
from extauth_http.program.queue_age import QueueAge
from extauth_http.protocol.command import Command, Operation
from extauth_http.protocol.packet_parser import PacketReader, packet
from extauth_http.protocol.replies import Dialect, reply
from extauth_http.protocol.verdict import Answer, Verdict

FALSE, TRUE, FAILURE = b"\x00\x02\x00\x00", b"\x00\x02\x00\x01", b"\x00\x02\x00\x02"


class FakeDecider:
    """Decides by the password: the name of a verdict, or trouble."""

    deadline = 5.0
    dialect = Dialect.EJABBERD

    def decide(self, command: Command, due: float, request_id: str) -> Decision:
        match command.password:
            case "allow" | "deny" | "undecided" as name:
                return Decision(Answer(Verdict(name), name))
            case "raise":
                raise RuntimeError
            case "exit":
                raise SystemExit
            case "slow":
                time.sleep(due - time.monotonic() + 30)
            case "loop":
                while True:
                    pass
        return Decision(Answer(Verdict.DENY, "denied"))

    def kind(self, host: str) -> str | None:
        return "fake"

    def release(self) -> None:
        pass


class BlockedDecider(FakeDecider):
    """Waits inside its backend call until ``goes_on`` is set, and then allows the login."""

    def __init__(self) -> None:
        self.is_inside = threading.Event()
        self.goes_on = threading.Event()

    def decide(self, command: Command, due: float, request_id: str) -> Decision:
        self.is_inside.set()
        self.goes_on.wait(30)
        return Decision(Answer(Verdict.ALLOW, "allowed"))


class CountedDecider(FakeDecider):
    """Counts its uses. ``acquire`` waits until ``goes_on`` is set."""

    def __init__(self) -> None:
        self.is_acquiring = threading.Event()
        self.goes_on = threading.Event()
        self.acquired = self.released = self.decided = 0

    def acquire(self) -> "CountedDecider":
        self.is_acquiring.set()
        self.goes_on.wait(30)
        self.acquired += 1
        return self

    def decide(self, command: Command, due: float, request_id: str) -> Decision:
        self.decided += 1
        return super().decide(command, due, request_id)

    def release(self) -> None:
        self.released += 1


class RunningPort:
    """A port between two pipes."""

    def __init__(
        self,
        current: Callable[[], FakeDecider] = FakeDecider,
        record: Callable[[Outcome], None] = lambda _: None,
        queue_age: QueueAge | None = None,
    ) -> None:
        self.source, self.input = os.pipe()
        self.output, self.sink = os.pipe()
        self.outcomes: list[Outcome] = []
        self.warnings: list[str] = []
        self.details: list[str] = []
        self.wakes = threading.Event()
        self.port = Port(
            self.source,
            self.sink,
            current,
            reader=PacketReader(),
            encode=lambda o: reply(o.decision.answer.verdict, o.operation, o.dialect),
            record=self._note,
            warn=self._warn,
            wake=self.wakes.set,
            queue_age=queue_age,
        )
        self._record = record
        self.port.start()

    def _note(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self._record(outcome)

    def _warn(self, name: str, detail: str) -> None:
        self.warnings.append(name)
        self.details.append(detail)

    def ask(self, *passwords: str) -> None:
        """Sends commands without waiting for their answers."""
        for password in passwords:
            os.write(self.input, packet(Command(Operation.AUTH, "u", "h", password)))

    def answer(self) -> bytes:
        """The next answer, which has to come within ten seconds."""
        assert select.select([self.output], [], [], 10)[0]
        return os.read(self.output, 4)

    def has_answer(self) -> bool:
        """Whether a reply can be read now."""
        return bool(select.select([self.output], [], [], 0)[0])

    def fill_output(self) -> int:
        """Fills the output with zeros, so that a write of a reply waits. Returns their number."""
        os.set_blocking(self.sink, False)
        filled = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                filled += os.write(self.sink, b"\0" * 4096)
        os.set_blocking(self.sink, True)
        return filled

    def drain_output(self, filled: int) -> None:
        """Reads the zeros of ``fill_output``."""
        while filled:
            filled -= len(os.read(self.output, filled))

    def overdue(self) -> float:
        """The time at which what is under way is late."""
        while (due := self.port.next_check(0.0)) in (0.05, 8.0, FakeDecider.deadline):
            time.sleep(0.001)
        return due

    def close(self) -> None:
        for descriptor in (self.source, self.input, self.output, self.sink):
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def run(self, stream: bytes, cuts: list[int]) -> bytes:
        """What comes out for a stream that arrives in these pieces."""
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            os.write(self.input, stream[start:end])
        os.close(self.input)
        while not self.port.has_ended:
            self.wakes.wait(10)
        os.close(self.sink)
        found = b""
        while data := os.read(self.output, 65536):
            found += data
        self.close()
        return found
