"""A port that ends: end of input, a closed output, and an abort."""

import os
import threading
import time

import pytest

from extauth_http.program.outcome import Decision
from extauth_http.program.port import END_SECONDS, GRACE_SECONDS
from extauth_http.protocol.command import Command, Operation
from extauth_http.protocol.packet_parser import packet
from extauth_http.protocol.verdict import Answer, Verdict
from tests.program.running_port import FAILURE, TRUE, BlockedDecider, RunningPort


def test_the_last_packet_gets_a_short_deadline_after_end_of_input() -> None:
    running = RunningPort()
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


def test_a_packet_that_is_not_the_last_keeps_its_deadline_after_end_of_input() -> None:
    running = RunningPort()
    both = [packet(Command(Operation.AUTH, "u", "h", each)) for each in ("slow", "allow")]
    os.write(running.input, b"".join(both))
    due = running.overdue()
    running.port.input_has_ended()
    assert running.overdue() == due
    running.port.expire(due)
    assert [running.answer(), running.answer()] == [FAILURE, TRUE]
    running.run(b"", [])


def test_a_log_that_hangs_does_not_hold_a_stream_that_was_cut_off() -> None:
    goes_on = threading.Event()

    class Hanging(RunningPort):
        def _warn(self, name: str, detail: str) -> None:
            goes_on.wait()
            super()._warn(name, detail)

    running = Hanging()
    os.write(running.input, b"\0")
    os.close(running.input)
    assert running.wakes.wait(10)
    assert running.port.has_ended
    assert not running.warnings
    goes_on.set()
    running.close()


def test_a_port_that_has_ended_starts_no_worker() -> None:
    running = RunningPort()
    os.close(running.input)
    worker = running.port._worker
    assert worker is not None
    worker.join(10)
    assert running.port.has_ended
    running.port.expire(time.monotonic() + 100)
    assert running.port._worker is worker
    running.close()


def test_a_port_whose_replies_no_one_can_read_ends() -> None:
    running = RunningPort()
    os.close(running.output)
    os.write(running.input, packet(Command(Operation.AUTH, "u", "h", "allow")) * 3)
    while not running.port.has_ended:
        running.wakes.wait(10)
    assert len(running.outcomes) == 1
    running.close()


def test_an_aborted_packet_is_answered_once_with_undecided() -> None:
    running = RunningPort()
    running.ask("slow")
    running.overdue()
    running.port.abort_pending()
    running.port.abort_pending()
    assert running.answer() == FAILURE
    (outcome,) = running.outcomes
    assert outcome.decision == Decision(Answer(Verdict.UNDECIDED, "stopped"), "fake")
    running.close()


def test_an_abort_does_not_wait_for_the_reader_of_the_reply() -> None:
    decider = BlockedDecider()
    running = RunningPort(lambda: decider)
    filled = running.fill_output()
    running.ask("allow")
    assert decider.is_inside.wait(10)
    aborting = threading.Thread(target=running.port.abort_pending, daemon=True)
    aborting.start()
    aborting.join(10)
    assert not aborting.is_alive()
    running.drain_output(filled)
    assert running.answer() == FAILURE
    decider.goes_on.set()
    running.close()


def test_an_abort_without_a_thread_writes_no_reply_and_neither_does_the_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    decider = BlockedDecider()
    running = RunningPort(lambda: decider)
    worker = running.port._worker
    assert worker is not None
    running.ask("allow")
    assert decider.is_inside.wait(10)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", no_thread)
        running.port.abort_pending()
    decider.goes_on.set()
    worker.join(10)
    assert not worker.is_alive()
    assert not running.has_answer()
    assert running.outcomes == []
    running.close()
