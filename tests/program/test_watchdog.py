"""The main thread of a process: deadlines, signals and closed streams."""

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from extauth_http.program.outcome import Decision, Outcome, encode
from extauth_http.program.port import Port
from extauth_http.program.watchdog import Watchdog
from extauth_http.protocol.command import Command, Operation
from extauth_http.protocol.packet_parser import PacketReader, packet
from tests.program.running_port import FAILURE, TRUE, BlockedDecider, FakeDecider

ALLOW = packet(Command(Operation.AUTH, "u", "h", "allow"))


@pytest.fixture(autouse=True)
def signals_are_restored() -> Iterator[None]:
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    handlers = [signal.getsignal(number) for number in numbers]
    yield
    signal.set_wakeup_fd(-1)
    for number, handler in zip(numbers, handlers, strict=True):
        signal.signal(number, handler)


class WatchedPort:
    """A port between two pipes that a watchdog watches."""

    def __init__(self, decider: FakeDecider, watchdog: Watchdog) -> None:
        self.source, self.input = os.pipe()
        self.output, self.sink = os.pipe()
        self.outcomes: list[Outcome] = []
        self.port = Port(
            self.source,
            self.sink,
            lambda: decider,
            reader=PacketReader(),
            encode=encode,
            record=self.outcomes.append,
            warn=lambda *_: None,
            wake=watchdog.wake,
        )
        watchdog.add(self.port)
        self.port.start()


def test_a_port_ends_with_its_input_and_its_worker_can_die_before() -> None:
    """Only the wake-up of the dying worker makes the watchdog look: the deadline is far away."""
    watchdog = Watchdog(on_hangup=lambda: None)
    watched = WatchedPort(FakeDecider(), watchdog)
    deaths = [MemoryError]

    def begin() -> None:
        if deaths:
            raise deaths.pop()

    watched.port._begin = begin
    replies: list[bytes] = []

    def drive() -> None:
        for _ in range(2):
            os.write(watched.input, ALLOW)
            replies.append(os.read(watched.output, 4))
        os.close(watched.input)

    driving = threading.Thread(target=drive)
    driving.start()
    watchdog.run()
    driving.join(10)
    assert replies == [FAILURE, TRUE]
    assert watched.port.has_ended


def test_a_lack_of_memory_in_the_watchdog_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    watchdog = Watchdog(on_hangup=lambda: None)
    watched = WatchedPort(FakeDecider(), watchdog)
    expire = watched.port.expire
    failures = [MemoryError] * 2

    def failing(now: float) -> None:
        if failures:
            raise failures.pop()
        expire(now)

    monkeypatch.setattr(watched.port, "expire", failing)
    os.close(watched.input)
    watchdog.run()
    assert failures == []
    assert watched.port.has_ended


def test_sigterm_answers_the_pending_packet_and_ends_the_watchdog() -> None:
    decider = BlockedDecider()
    watchdog = Watchdog(on_hangup=lambda: None)
    watched = WatchedPort(decider, watchdog)
    os.write(watched.input, ALLOW)
    assert decider.is_inside.wait(10)
    os.kill(os.getpid(), signal.SIGTERM)
    watchdog.run()
    assert os.read(watched.output, 4) == FAILURE
    decider.goes_on.set()


def test_sighup_calls_its_handler_and_the_watchdog_goes_on() -> None:
    calls: list[float] = []
    watchdog = Watchdog(on_hangup=lambda: calls.append(time.monotonic()))
    watched = WatchedPort(FakeDecider(), watchdog)
    os.kill(os.getpid(), signal.SIGHUP)

    def drive() -> None:
        os.write(watched.input, ALLOW)
        assert os.read(watched.output, 4) == TRUE
        os.close(watched.input)

    driving = threading.Thread(target=drive)
    driving.start()
    watchdog.run()
    driving.join(10)
    assert len(calls) == 1


def test_a_port_whose_replies_no_one_can_read_is_not_watched_any_more() -> None:
    decider = BlockedDecider()
    watchdog = Watchdog(on_hangup=lambda: None)
    watched = WatchedPort(decider, watchdog)
    os.write(watched.input, ALLOW)
    assert decider.is_inside.wait(10)
    os.close(watched.output)
    watchdog.run()
    assert [each.decision.answer.reason for each in watched.outcomes] == ["stopped"]
    decider.goes_on.set()


def test_a_reader_is_called_until_finish_removes_it() -> None:
    source, sink = os.pipe()
    watchdog = Watchdog(on_hangup=lambda: None)
    read: list[bytes] = []

    def call() -> None:
        read.append(os.read(source, 1))
        if len(read) == 3:
            watchdog.finish()

    watchdog.add_reader(source, call)
    os.write(sink, b"abcd")
    watchdog.run()
    assert read == [b"a", b"b", b"c"]
    os.close(source)
    os.close(sink)


class TwoStageDecider(BlockedDecider):
    """Waits in its first call for ``goes_on``, and in the second for ``is_shortened``."""

    def __init__(self) -> None:
        super().__init__()
        self.is_shortened = threading.Event()

    def decide(self, command: Command, due: float, request_id: str) -> Decision:
        if self.is_inside.is_set():
            self.is_shortened.wait(30)
        return super().decide(command, due, request_id)


def test_only_the_last_packet_before_the_end_of_input_gets_a_short_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decider = TwoStageDecider()
    watchdog = Watchdog(on_hangup=lambda: None)
    watched = WatchedPort(decider, watchdog)
    calls_before_the_last_packet = []

    def input_has_ended() -> None:
        if decider.goes_on.is_set():
            decider.is_shortened.set()
        else:
            calls_before_the_last_packet.append(1)

    monkeypatch.setattr(watched.port, "input_has_ended", input_has_ended)
    os.write(watched.input, ALLOW)
    assert decider.is_inside.wait(10)
    os.write(watched.input, ALLOW)  # not read yet
    os.close(watched.input)
    checks = 0
    next_check = watched.port.next_check

    def counted(now: float) -> float:
        nonlocal checks
        checks += 1
        if checks == 5:
            decider.goes_on.set()
        return next_check(now)

    monkeypatch.setattr(watched.port, "next_check", counted)
    watchdog.run()
    assert calls_before_the_last_packet == []
    assert [each.decision.answer.reason for each in watched.outcomes] == ["allowed"] * 2
