"""A port whose packets are late: the watchdog answers, and the stream goes on."""

import os
import select
import threading
import time

import pytest

from extauth_http.program.outcome import Decision, Outcome
from extauth_http.program.port import CHECK_SECONDS, MAX_STUCK
from extauth_http.program.threads import interrupt
from extauth_http.protocol.command import Command, Operation
from extauth_http.protocol.packet_parser import packet
from extauth_http.protocol.replies import Dialect
from extauth_http.protocol.verdict import Answer, Verdict
from tests.program.running_port import (
    FAILURE,
    FALSE,
    TRUE,
    BlockedDecider,
    CountedDecider,
    FakeDecider,
    RunningPort,
)


def test_the_watchdog_answers_at_the_deadline_and_the_late_decision_is_lost() -> None:
    running = RunningPort()
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
    late = Answer(Verdict.UNDECIDED, "deadline", "the backend call did not return in time")
    assert running.outcomes[0].decision == Decision(late, "fake")
    assert running.outcomes[1].decision.answer.reason == "allow"


def test_each_packet_has_a_whole_deadline() -> None:
    running = RunningPort()
    running.ask("allow", "allow")
    assert [running.answer(), running.answer()] == [TRUE, TRUE]
    while running.port.next_check(0.0) != FakeDecider.deadline:  # until the second is over
        time.sleep(0.001)
    before = time.monotonic()
    running.ask("slow")
    latest = time.monotonic() + FakeDecider.deadline + 1
    assert before + FakeDecider.deadline <= running.overdue() <= latest
    running.port.expire(running.overdue())
    assert running.answer() == FAILURE
    running.run(b"", [])


def test_an_idle_port_needs_no_check_for_a_whole_deadline() -> None:
    running = RunningPort()
    assert running.port.next_check(100.0) == 108.0  # nothing was decided yet: the default
    os.write(running.input, packet(Command(Operation.AUTH, "u", "h", "allow")))
    assert os.read(running.output, 100) == b"\x00\x02\x00\x01"
    while running.port.next_check(100.0) != 100.0 + FakeDecider.deadline:
        time.sleep(0.001)
    running.run(b"", [])


def test_a_shorter_deadline_wakes_the_watchdog() -> None:
    running = RunningPort()
    running.ask("allow")
    assert running.answer() == TRUE
    assert running.wakes.is_set()
    running.wakes.clear()
    running.ask("allow")
    assert running.answer() == TRUE
    assert not running.wakes.is_set()
    running.run(b"", [])


def test_a_thread_that_loops_is_interrupted_and_one_that_has_ended_is_not() -> None:
    running = RunningPort()
    running.ask("loop")
    due = running.overdue()
    looping = running.port._worker
    assert looping is not None
    running.port.expire(due)
    assert running.answer() == FAILURE
    looping.join(10)
    assert not looping.is_alive()
    assert running.port._stuck == [looping]
    interrupt(looping)
    interrupt(threading.Thread())
    running.ask("allow")
    assert running.answer() == TRUE
    assert running.port._stuck == []
    running.run(b"", [])


def test_with_too_many_threads_that_hang_no_backend_is_called() -> None:
    running = RunningPort()
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


def test_a_packet_without_a_backend_call_is_answered_in_the_last_dialect() -> None:
    class Boolean(FakeDecider):
        dialect = Dialect.BOOLEAN

    running = RunningPort(Boolean)
    running.ask("allow")
    assert running.answer() == TRUE
    running.port._stuck = [threading.current_thread()] * MAX_STUCK
    running.ask("allow")
    assert running.answer() == FALSE
    running.run(b"", [])


def test_a_log_that_hangs_holds_one_thread_and_not_the_next_packets() -> None:
    hangs, goes_on = threading.Event(), threading.Event()

    def record(_: Outcome) -> None:
        if not hangs.is_set():
            hangs.set()
            goes_on.wait(30)

    running = RunningPort(record=record)
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


def test_the_watchdog_does_not_wait_for_the_reader_of_the_replies() -> None:
    running = RunningPort()
    filled = running.fill_output()
    running.ask("slow", "allow")
    due = running.overdue()
    running.port.expire(due)
    waiting = running.port._worker
    running.port.expire(due)
    assert running.port._worker is waiting
    running.port.abort_pending()
    running.drain_output(filled)
    assert [running.answer(), running.answer()] == [FAILURE, TRUE]
    running.run(b"", [])


def test_a_thread_that_cannot_be_started_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    running = RunningPort()
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


def test_a_worker_that_has_lost_its_packet_makes_no_backend_call() -> None:
    decider = CountedDecider()
    running = RunningPort(decider.acquire)
    worker = running.port._worker
    assert worker is not None
    running.ask("allow")
    assert decider.is_acquiring.wait(10)
    running.port.expire(time.monotonic() + 100)
    assert running.answer() == FAILURE
    decider.goes_on.set()
    worker.join(10)
    assert not worker.is_alive()
    assert (decider.acquired, decider.decided, decider.released) == (1, 0, 1)
    running.ask("allow")
    assert running.answer() == TRUE
    running.run(b"", [])
    assert (decider.acquired, decider.decided, decider.released) == (2, 1, 2)


def test_a_worker_that_has_lost_its_packet_waits_for_the_interrupt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decider = BlockedDecider()
    running = RunningPort(lambda: decider)
    worker = running.port._worker
    assert worker is not None

    def late_interrupt(_: threading.Thread) -> None:
        decider.goes_on.set()
        worker.join(0.1)
        assert worker.is_alive(), "the worker has left the backend call before the interrupt"

    monkeypatch.setattr("extauth_http.program.pending_packet.interrupt", late_interrupt)
    running.ask("allow")
    assert decider.is_inside.wait(10)
    running.port.expire(time.monotonic() + 100)
    assert running.answer() == FAILURE
    worker.join(10)
    assert not worker.is_alive()
    running.run(b"", [])


def test_a_failed_start_of_a_worker_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing() -> None:
        raise MemoryError

    running = RunningPort()
    running.ask("slow")
    due = running.overdue()
    with monkeypatch.context() as patched:
        patched.setattr(running.port, "start", failing)
        with pytest.raises(MemoryError):
            running.port.expire(due)
    running.port.expire(due)
    assert running.answer() == FAILURE
    running.run(b"", [])
