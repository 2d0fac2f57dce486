"""The states of one packet and the threads that compete for it."""

import itertools
import threading
import time
from collections.abc import Callable

import pytest

from extauth_http.program.outcome import Decision
from extauth_http.program.pending_packet import (
    TRANSITIONS,
    IllegalTransitionError,
    PacketState,
    PendingPacket,
)
from extauth_http.program.threads import ThreadInterruptedError, interrupt
from extauth_http.protocol.replies import Dialect
from extauth_http.protocol.verdict import Answer, Verdict

ALLOWED = Decision(Answer(Verdict.ALLOW, "allowed"))
LATE = Decision(Answer(Verdict.UNDECIDED, "deadline"))
PATHS = {
    PacketState.RECEIVED: [],
    PacketState.DECIDING: [PacketState.DECIDING],
    PacketState.ANSWERING: [PacketState.DECIDING, PacketState.ANSWERING],
    PacketState.WRITTEN: [PacketState.ANSWERING, PacketState.WRITTEN],
    PacketState.DONE: [PacketState.ANSWERING, PacketState.WRITTEN, PacketState.DONE],
}


def packet_in(state: PacketState) -> PendingPacket:
    """A packet in this state."""
    packet = PendingPacket(10, 8.0, Dialect.EJABBERD)
    for target in PATHS[state]:
        assert packet.advance(packet.state, target)
    return packet


@pytest.mark.parametrize(("source", "target"), list(itertools.product(PacketState, PacketState)))
def test_a_packet_moves_only_as_the_table_says(source: PacketState, target: PacketState) -> None:
    packet = packet_in(source)
    if target in TRANSITIONS[source]:
        assert packet.advance(source, target)
        assert packet.state is target
        assert not packet.advance(source, target)
    else:
        with pytest.raises(IllegalTransitionError, match=f"{source.name} -> {target.name}"):
            packet.advance(source, target)
        assert packet.state is source


@pytest.mark.parametrize("state", PacketState)
def test_a_packet_is_claimed_once_and_only_before_its_reply(state: PacketState) -> None:
    packet = packet_in(state)
    is_open = state in (PacketState.RECEIVED, PacketState.DECIDING)
    assert packet.claim(LATE) is (state if is_open else None)
    assert packet.claim(ALLOWED) is None
    assert packet.decision is (LATE if is_open else None)


def compete(calls: list[Callable[[], object]]) -> list[object]:
    """Runs calls at the same time in threads, and returns their results."""
    start = threading.Barrier(len(calls))
    results: list[object] = []

    def run(call: Callable[[], object]) -> None:
        start.wait()
        results.append(call())

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_of_many_threads_one_wins_each_transition() -> None:
    for _ in range(300):
        packet = packet_in(PacketState.RECEIVED)
        won = compete([lambda packet=packet: packet.claim(LATE)] * 3 + [packet.start_deciding])
        assert sum(isinstance(each, PacketState) for each in won) == 1
        assert packet.advance(PacketState.ANSWERING, PacketState.WRITTEN)
        assert compete([packet.finish] * 4).count(True) == 1


class RacingDict(dict[PacketState, tuple[PacketState]]):
    """Lets another thread move the packet just before the first ``setdefault``."""

    def __init__(self, packet: PendingPacket) -> None:
        super().__init__()
        self.packet = packet
        self.other_has_won: bool | None = None

    def setdefault(self, source: PacketState, successor: tuple[PacketState]) -> tuple[PacketState]:
        if self.other_has_won is None:
            self.other_has_won = False
            self.other_has_won = self.packet.claim(LATE) is not None
        return super().setdefault(source, successor)


def test_a_thread_that_is_overtaken_in_the_middle_of_a_transition_loses_it() -> None:
    packet = packet_in(PacketState.RECEIVED)
    race = packet._successors = RacingDict(packet)
    assert not packet.start_deciding()
    assert race.other_has_won
    assert packet.state is PacketState.ANSWERING
    assert packet.decision is LATE


def test_a_resource_is_released_once_by_many_threads() -> None:
    class Counter:
        count = 0

        def release(self) -> None:
            self.count += 1

    for _ in range(100):
        packet, counter = packet_in(PacketState.RECEIVED), Counter()
        packet.use(counter)
        compete([packet.release] * 4)
        assert counter.count == 1


class Worker(threading.Thread):
    """Moves a packet to a state, waits there, and notes whether it was interrupted."""

    def __init__(self, packet: PendingPacket, state: PacketState) -> None:
        super().__init__(daemon=True)
        self.packet = packet
        self.state = state
        self.is_there = threading.Event()
        self.is_claimed = threading.Event()
        self.was_interrupted = False

    def run(self) -> None:
        try:
            if self.state is PacketState.DECIDING:
                self.packet.start_deciding()
            self.is_there.set()
            while not self.is_claimed.is_set():
                time.sleep(0.001)
        except ThreadInterruptedError:
            self.was_interrupted = True


@pytest.mark.parametrize("state", [PacketState.RECEIVED, PacketState.DECIDING])
def test_a_worker_is_interrupted_only_inside_the_backend_call(state: PacketState) -> None:
    worker = Worker(packet_in(PacketState.RECEIVED), state)
    worker.start()
    assert worker.is_there.wait(10)
    assert worker.packet.claim_from(worker, LATE)
    if state is PacketState.RECEIVED:
        worker.is_claimed.set()
    worker.join(10)
    assert not worker.is_alive()
    assert worker.was_interrupted is (state is PacketState.DECIDING)


def test_no_interrupt_arrives_after_the_end_of_the_backend_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The watchdog claims the packet while the backend call returns, and interrupts it later."""
    worker_is_back, ended = threading.Event(), threading.Event()
    interrupts: list[str] = []
    packet = packet_in(PacketState.DECIDING)

    def late_interrupt(thread: threading.Thread) -> None:
        assert worker_is_back.wait(10)
        ended.wait(0.05)
        assert not ended.is_set(), "the worker did not wait for the interrupt"
        interrupt(thread)

    monkeypatch.setattr("extauth_http.program.pending_packet.interrupt", late_interrupt)

    def leave_backend_call() -> None:
        assert packet.claim(ALLOWED) is None
        worker_is_back.set()
        try:
            packet.wait_for_interrupt()
        except ThreadInterruptedError:
            interrupts.append("inside")
        ended.set()
        try:
            for _ in range(1000):
                time.sleep(0)
        except ThreadInterruptedError:
            interrupts.append("after")

    worker = threading.Thread(target=leave_backend_call, daemon=True)
    claiming = threading.Thread(target=packet.claim_from, args=(worker, LATE))
    claiming.start()
    while not packet.is_claimed:
        time.sleep(0.001)
    worker.start()
    claiming.join(10)
    worker.join(10)
    assert not worker.is_alive()
    assert interrupts in ([], ["inside"])
