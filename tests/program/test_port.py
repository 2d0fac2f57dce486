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

from extauth_http.program.outcome import Decision, Outcome
from extauth_http.program.port import (
    CHECK_SECONDS,
    END_SECONDS,
    GRACE_SECONDS,
    MAX_STUCK,
    Port,
    _end_thread,
)
from extauth_http.protocol.command import Command, Operation
from extauth_http.protocol.packets import PacketReader, frame, packet, packets
from extauth_http.protocol.replies import Dialect, reply
from extauth_http.protocol.verdict import Answer, Verdict

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
            case "loop":
                while True:
                    pass
        return Decision(Answer(Verdict.DENY, "denied"))

    def kind(self, host: str) -> str | None:
        return "fake"


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
        self.details: list[str] = []
        self.looks = threading.Event()
        self.port = Port(
            self.source,
            self.sink,
            current,
            reader=PacketReader(),
            encode=lambda o: reply(o.decision.answer.verdict, o.operation, o.dialect),
            record=self._note,
            warn=self._warn,
            wake=self.looks.set,
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

    def overdue(self) -> float:
        """The time at which what is under way is late."""
        while (due := self.port.next_check(0.0)) in (0.05, 8.0, Fake.deadline):
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
    assert running.details == ([f"the input ended {left} bytes into a packet"] if left else [])


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
    assert running.port.next_check(due + 1) == due
    running.port.expire(due)
    running.port.expire(due)
    assert running.answer() == FAILURE
    running.ask("allow")
    assert running.answer() == TRUE
    assert running.run(b"", []) == b""
    late = Answer(Verdict.UNDECIDED, "deadline", "the backend did not come back in time")
    assert running.outcomes[0].decision == Decision(late, "fake")
    assert running.outcomes[1].decision.answer.reason == "allow"


def test_a_thread_that_loops_is_ended_and_one_that_has_ended_is_left_alone() -> None:
    running = Running()
    running.ask("loop")
    due = running.overdue()
    looping = running.port._worker
    assert looping is not None
    running.port.expire(due)
    assert running.answer() == FAILURE
    looping.join(10)
    assert not looping.is_alive()
    assert running.port._stuck == [looping]
    _end_thread(looping)
    _end_thread(threading.Thread())
    running.ask("allow")
    assert running.answer() == TRUE
    assert running.port._stuck == []
    running.run(b"", [])


def test_threads_that_hang_are_counted_and_more_than_so_many_are_not_begun() -> None:
    running = Running()
    hanging = threading.Thread(target=lambda: time.sleep(2), daemon=True)
    hanging.start()
    running.port._stuck = [hanging] * (MAX_STUCK - 1)
    running.ask("allow")
    assert running.answer() == TRUE
    running.port._stuck = [hanging] * MAX_STUCK
    running.ask("allow")
    assert running.answer() == FAILURE
    hanging.join()
    running.ask("allow")
    assert running.answer() == TRUE
    running.run(b"", [])
    stuck = Answer(Verdict.UNDECIDED, "stuck", f"{MAX_STUCK} earlier commands still hang")
    assert running.outcomes[1].decision == Decision(stuck)


def test_a_log_that_hangs_holds_one_thread_and_not_the_packets_behind() -> None:
    hangs, goes_on = threading.Event(), threading.Event()

    def record(_: Outcome) -> None:
        if not hangs.is_set():
            hangs.set()
            goes_on.wait(30)

    running = Running(record=record)
    first = running.port._worker
    assert first is not None
    running.ask("allow", "deny")
    assert running.answer() == TRUE
    assert hangs.wait(10)
    due = running.overdue()
    running.port.expire(due - 0.001)
    assert not select.select([running.output], [], [], 0.05)[0]
    assert running.port.next_check(due - 1) == due
    assert running.port.next_check(due + 1) == due + 1 + CHECK_SECONDS
    running.port.expire(due)
    assert running.answer() == FALSE
    goes_on.set()
    first.join(10)
    assert not first.is_alive()
    running.ask("allow", "deny")
    assert [running.answer(), running.answer()] == [TRUE, FALSE]
    assert running.run(b"", []) == b""


def test_a_log_that_hangs_does_not_keep_a_stream_that_was_cut_off() -> None:
    goes_on = threading.Event()

    class Hanging(Running):
        def _warn(self, name: str, detail: str) -> None:
            goes_on.wait()
            super()._warn(name, detail)

    running = Hanging()
    os.write(running.input, b"\0")
    os.close(running.input)
    assert running.looks.wait(10)
    assert running.port.has_ended
    assert not running.warnings
    goes_on.set()
    running.close()


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
    waiting = running.port._worker
    running.port.expire(due)
    assert running.port._worker is waiting
    running.port.abort_pending()
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
        running.port.abort_pending()
    assert running.port.next_check(100.0) == 100 + CHECK_SECONDS
    running.port.expire(due)
    assert running.answer() == FAILURE
    running.ask("allow")
    assert running.answer() == TRUE
    running.run(b"", [])


def test_a_command_under_way_is_answered_when_the_program_is_told_to_go() -> None:
    running = Running()
    running.ask("slow")
    running.overdue()
    running.port.abort_pending()
    running.port.abort_pending()
    assert running.answer() == FAILURE
    (outcome,) = running.outcomes
    assert outcome.decision == Decision(Answer(Verdict.UNDECIDED, "stopped"), "fake")
    running.close()


def test_a_program_that_is_told_to_go_does_not_wait_for_who_reads_the_answer() -> None:
    running = Running()
    os.set_blocking(running.sink, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(running.sink, b"\0" * 4096)
    os.set_blocking(running.sink, True)
    running.ask("slow")
    running.overdue()
    running.port.abort_pending()
    os.close(running.output)


def test_a_program_that_is_told_to_go_needs_no_thread_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    running = Running()
    running.ask("slow")
    running.overdue()
    monkeypatch.setattr(threading.Thread, "start", no_thread)
    running.port.abort_pending()
    running.close()


def test_a_command_that_nobody_is_asked_about_is_answered_in_the_dialect_of_the_last() -> None:
    class Boolean(Fake):
        dialect = Dialect.BOOLEAN

    running = Running(Boolean)
    running.ask("allow")
    assert running.answer() == TRUE
    running.port._stuck = [threading.current_thread()] * MAX_STUCK
    running.ask("allow")
    assert running.answer() == FALSE
    running.run(b"", [])


def test_each_command_has_a_whole_deadline() -> None:
    running = Running()
    running.ask("allow", "allow")
    assert [running.answer(), running.answer()] == [TRUE, TRUE]
    while running.port.next_check(0.0) != Fake.deadline:  # until the second is over
        time.sleep(0.001)
    before = time.monotonic()
    running.ask("slow")
    assert before + Fake.deadline <= running.overdue() <= time.monotonic() + Fake.deadline + 1
    running.port.expire(running.overdue())
    assert running.answer() == FAILURE
    running.run(b"", [])


def test_streams_that_do_not_wait_are_waited_for() -> None:
    running = Running()
    for descriptor in (running.source, running.sink):
        os.set_blocking(descriptor, False)
    filled = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            filled += os.write(running.sink, b"\0" * 4096)
    for _ in range(2):
        running.ask("allow")
        time.sleep(0.05)
    while filled:
        filled -= len(os.read(running.output, filled))
    assert [running.answer(), running.answer()] == [TRUE, TRUE]
    running.ask("deny")
    assert running.answer() == FALSE
    running.run(b"", [])


def test_the_watch_looks_at_once_when_the_deadline_has_become_shorter() -> None:
    running = Running()
    running.ask("allow")
    assert running.answer() == TRUE
    assert running.looks.is_set()
    running.looks.clear()
    running.ask("allow")
    assert running.answer() == TRUE
    assert not running.looks.is_set()
    running.run(b"", [])


def test_a_fault_of_what_decides_is_undecided_and_has_its_type_in_the_log() -> None:
    running = Running()
    running.ask("raise", "exit")
    assert [running.answer(), running.answer()] == [FAILURE, FAILURE]
    running.run(b"", [])
    assert [each.decision for each in running.outcomes] == [
        Decision(Answer(Verdict.UNDECIDED, "internal_error", name), "fake")
        for name in ("RuntimeError", "SystemExit")
    ]


def test_what_decides_is_told_of_which_packet_it_is() -> None:
    told: list[tuple[str, str]] = []

    class Listening(Fake):
        def decide(self, command: Command, due: float, request_id: str) -> Decision:
            told.append((command.host, request_id))
            return super().decide(command, due, request_id)

        def kind(self, host: str) -> str | None:
            told.append((host, ""))
            return "fake"

    running = Running(Listening)
    running.ask("allow")
    assert running.answer() == TRUE
    running.run(b"", [])
    assert told == [("h", ""), ("h", running.outcomes[0].request_id)]


def test_the_last_command_gets_little_time_once_the_input_has_ended() -> None:
    running = Running()
    running.port.input_has_ended()
    running.ask("slow")
    due = running.overdue()
    assert due > time.monotonic() + END_SECONDS + 1
    running.port.input_has_ended()
    sooner = running.overdue()
    assert time.monotonic() < sooner <= time.monotonic() + END_SECONDS + GRACE_SECONDS
    running.port.input_has_ended()
    assert running.overdue() == sooner
    running.port.expire(sooner)
    assert running.answer() == FAILURE
    running.run(b"", [])


def test_a_command_with_more_behind_it_keeps_its_time_when_the_input_has_ended() -> None:
    running = Running()
    both = [packet(Command(Operation.AUTH, "u", "h", each)) for each in ("slow", "allow")]
    os.write(running.input, b"".join(both))
    due = running.overdue()
    running.port.input_has_ended()
    assert running.overdue() == due
    running.port.expire(due)
    assert [running.answer(), running.answer()] == [FAILURE, TRUE]
    running.run(b"", [])


def test_an_outcome_tells_what_was_asked_and_how_long_it_took() -> None:
    asked = Command(Operation.SETPASS, "u", "h", "allow")
    stream = packet(asked) + frame(b"setpass:U:h:x") + frame(b"nonsense")
    running = Running()
    running.run(stream, [])
    whole, half, none = running.outcomes
    assert len({whole.request_id, half.request_id, none.request_id}) == 3
    assert {len(each.request_id) for each in running.outcomes} == {16}
    assert [each.size for each in running.outcomes] == [len(packet(asked)) - 2, 13, 8]
    assert [each.operation for each in running.outcomes] == [asked.operation] * 2 + [None]
    assert [each.command for each in running.outcomes] == [asked, None, None]
    assert {each.dialect for each in running.outcomes} == {Dialect.EJABBERD}
    assert all(0 < each.seconds < 10 for each in running.outcomes)
    assert half.decision == Decision(Answer(Verdict.DENY, "upper_case"))
    assert none.decision == Decision(Answer(Verdict.DENY, "unknown_operation"))


def test_an_idle_port_need_not_be_looked_at_before_a_whole_deadline_has_passed() -> None:
    running = Running()
    assert running.port.next_check(100.0) == 108.0  # nothing was decided yet: the default
    os.write(running.input, packet(Command(Operation.AUTH, "u", "h", "allow")))
    assert os.read(running.output, 100) == b"\x00\x02\x00\x01"
    while running.port.next_check(100.0) != 100.0 + Fake.deadline:
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
