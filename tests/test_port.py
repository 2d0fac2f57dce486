"""The loop: one answer a packet, in order, whatever comes in and whatever decides."""

import contextlib
import os
import threading
import time
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from extauth_http.command import Command, Operation
from extauth_http.decide import Decision
from extauth_http.port import Outcome, Port
from extauth_http.protocol import Dialect, PacketReader, frame, packet, packets, reply
from extauth_http.verdict import Answer, Verdict


class Fake:
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
        return Decision(Answer(Verdict.DENY, "denied"))

    def kind(self, host: str) -> str | None:
        return None


class Running:
    """A port between two pipes."""

    def __init__(self, current: Callable[[], Fake] = Fake) -> None:
        self.source, self.input = os.pipe()
        self.output, self.sink = os.pipe()
        self.outcomes: list[Outcome] = []
        self.warnings: list[str] = []
        self.looks = threading.Event()
        self.port = Port(
            self.source,
            self.sink,
            current,
            reader=PacketReader(),
            encode=lambda o: reply(o.decision.answer.verdict, o.operation, o.dialect),
            record=self.outcomes.append,
            warn=lambda name, _: self.warnings.append(name),
            wake=self.looks.set,
        )
        self.port.start()

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
            self.looks.wait(10)
        os.close(self.sink)
        found = b""
        while data := os.read(self.output, 65536):
            found += data
        self.close()
        return found


commands = st.builds(
    lambda operation, password: packet(Command(operation, "u", "h", password)),
    st.sampled_from(Operation),
    st.sampled_from(["allow", "deny", "undecided", "raise", "exit", "other"]),
)
streams = st.lists(commands | st.binary(max_size=30).map(frame) | st.binary(max_size=5)).map(
    b"".join
)


@given(streams, st.data())
@settings(deadline=None)
def test_there_are_as_many_answers_as_whole_packets(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    running = Running()
    answers = running.run(stream, cuts)
    whole = list(packets(stream))
    assert len(answers) == 4 * len(whole)
    assert len(running.outcomes) == len(whole)
    left = len(stream) - sum(2 + len(each) for each in whole)
    assert running.warnings == (["input_cut_off"] if left else [])


def test_answers_come_in_the_order_of_their_packets() -> None:
    asked = ["allow", "deny", "undecided", "raise", "deny", "exit", "allow"] * 20
    stream = b"".join(packet(Command(Operation.AUTH, "u", "h", each)) for each in asked)
    answers = Running().run(stream, [])
    numbers = {"allow": 1, "deny": 0, "undecided": 2, "raise": 2, "exit": 2}
    assert answers == b"".join(b"\x00\x02\x00" + bytes([numbers[each]]) for each in asked)


def test_a_command_whose_time_is_up_is_answered_by_the_watch_and_its_late_answer_is_lost() -> None:
    running = Running()
    os.write(running.input, packet(Command(Operation.AUTH, "u", "h", "slow")))
    while running.port.next_look(0.0) in (8.0, Fake.deadline):  # nothing is under way yet
        time.sleep(0.001)
    due = running.port.next_look(0.0)
    running.port.expire(due - 0.001)
    assert running.outcomes == []
    running.port.expire(due)
    running.port.expire(due)
    assert os.read(running.output, 100) == b"\x00\x02\x00\x02"
    (outcome,) = running.outcomes
    assert outcome.decision.answer.reason == "deadline"
    os.write(running.input, packet(Command(Operation.AUTH, "u", "h", "allow")))
    assert os.read(running.output, 100) == b"\x00\x02\x00\x01"
    assert running.run(b"", []) == b""


def test_an_idle_port_need_not_be_looked_at_before_a_whole_deadline_has_passed() -> None:
    running = Running()
    assert running.port.next_look(100.0) == 108.0  # nothing was decided yet: the default
    os.write(running.input, packet(Command(Operation.AUTH, "u", "h", "allow")))
    assert os.read(running.output, 100) == b"\x00\x02\x00\x01"
    while running.port.next_look(100.0) != 100.0 + Fake.deadline:
        time.sleep(0.001)
    running.run(b"", [])


def test_a_port_whose_answers_nobody_can_read_ends() -> None:
    running = Running()
    os.close(running.output)
    os.write(running.input, packet(Command(Operation.AUTH, "u", "h", "allow")) * 3)
    while not running.port.has_ended:
        running.looks.wait(10)
    assert len(running.outcomes) == 1
    running.close()
