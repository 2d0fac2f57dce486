"""The loop: one answer a packet, in order, whatever comes in and whatever decides."""

import contextlib
import os
import select
import threading
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extauth_http.command import Command, Operation
from extauth_http.decide import Decision
from extauth_http.port import Outcome, Port
from extauth_http.protocol import Dialect, PacketReader, frame, packet, packets, reply
from extauth_http.verdict import Answer, Verdict

FALSE, TRUE, FAILURE = b"\x00\x02\x00\x00", b"\x00\x02\x00\x01", b"\x00\x02\x00\x02"


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

    def __init__(
        self,
        current: Callable[[], Fake] = Fake,
        record: Callable[[Outcome], None] = lambda _: None,
    ) -> None:
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
            record=self._note,
            warn=lambda name, _: self.warnings.append(name),
            wake=self.looks.set,
        )
        self._record = record
        self.port.start()

    def _note(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self._record(outcome)

    def ask(self, *passwords: str) -> None:
        """Sends commands without waiting for their answers."""
        for password in passwords:
            os.write(self.input, packet(Command(Operation.AUTH, "u", "h", password)))

    def answer(self) -> bytes:
        """The next answer, which has to come within ten seconds."""
        assert select.select([self.output], [], [], 10)[0]
        return os.read(self.output, 4)

    def overdue(self) -> float:
        """The time at which what is under way is late."""
        while (due := self.port.next_look(0.0)) in (0.05, 8.0, Fake.deadline):
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
    running.ask("slow")
    due = running.overdue()
    running.port.expire(due - 0.001)
    assert running.outcomes == []
    running.port.expire(due)
    running.port.expire(due)
    assert running.answer() == FAILURE
    running.ask("allow")
    assert running.answer() == TRUE
    assert running.run(b"", []) == b""
    assert [each.decision.answer.reason for each in running.outcomes] == ["deadline", "allow"]


def test_a_log_that_hangs_holds_one_thread_and_not_the_packets_behind() -> None:
    hangs, goes_on = threading.Event(), threading.Event()

    def record(_: Outcome) -> None:
        if not hangs.is_set():
            hangs.set()
            goes_on.wait(30)

    running = Running(record=record)
    running.ask("allow", "deny")
    assert running.answer() == TRUE
    assert hangs.wait(10)
    due = running.overdue()
    running.port.expire(due - 0.001)
    assert not select.select([running.output], [], [], 0.05)[0]
    running.port.expire(due)
    assert running.answer() == FALSE
    goes_on.set()
    running.ask("allow", "deny")
    assert [running.answer(), running.answer()] == [TRUE, FALSE]
    assert running.run(b"", []) == b""


def test_a_log_that_fails_ends_nothing() -> None:
    def record(_: Outcome) -> None:
        raise RuntimeError

    running = Running(record=record)
    running.ask("allow", "deny")
    assert [running.answer(), running.answer()] == [TRUE, FALSE]
    running.run(b"", [])


def test_the_watch_does_not_wait_for_who_reads_the_answers() -> None:
    running = Running()
    os.set_blocking(running.sink, False)
    filled = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            filled += os.write(running.sink, b"\0" * 4096)
    os.set_blocking(running.sink, True)
    running.ask("slow", "allow")
    due = running.overdue()
    running.port.expire(due)
    running.port.expire(due)
    running.port.give_up()
    while filled:
        filled -= len(os.read(running.output, filled))
    assert [running.answer(), running.answer()] == [FAILURE, TRUE]
    running.run(b"", [])


def test_a_machine_that_has_no_thread_to_give_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    running = Running()
    running.ask("slow")
    due = running.overdue()
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", no_thread)
        running.port.expire(due)
        running.port.expire(due)
        running.port.give_up()
    assert running.port.next_look(100.0) < 101
    running.port.expire(due)
    assert running.answer() == FAILURE
    running.ask("allow")
    assert running.answer() == TRUE
    running.run(b"", [])


def test_a_command_under_way_is_answered_when_the_program_is_told_to_go() -> None:
    running = Running()
    running.ask("slow")
    running.overdue()
    running.port.give_up()
    running.port.give_up()
    assert running.answer() == FAILURE
    (outcome,) = running.outcomes
    assert outcome.decision.answer.reason == "stopped"
    running.close()


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
