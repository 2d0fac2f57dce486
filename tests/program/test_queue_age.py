"""A queue of ejabberd never becomes so old that ejabberd ends the pool member."""

import time

import pytest

from extauth_http.program import queue_age
from extauth_http.program.outcome import Decision
from extauth_http.program.pending_packet import PendingPacket
from extauth_http.program.queue_age import MARGIN_SECONDS, MIN_SECONDS, REFUSING_SECONDS, QueueAge
from extauth_http.protocol.command import Command
from extauth_http.protocol.limits import EJABBERD_TIMEOUT
from extauth_http.protocol.replies import Dialect
from tests.program.running_port import FAILURE, TRUE, FakeDecider, RunningPort

LATEST = EJABBERD_TIMEOUT - MARGIN_SECONDS


class Member:
    """A pool member on a clock of its own. All times are in seconds.

    The clock starts late enough for a queue that begins now. So its start differs in each run, and
    with it how sums are rounded: no comparison may depend on the last digit.
    """

    def __init__(self, dialect: Dialect = Dialect.EJABBERD) -> None:
        self.queue = QueueAge(wake=lambda: None)
        self.dialect = dialect
        self.now = time.monotonic() + 1000.0

    def packet(self, pause: float = 0.0001) -> PendingPacket:
        """The next packet, which arrives after ``pause``."""
        waiting_since = self.now
        self.now += pause
        pending = PendingPacket(10, 8.0, self.dialect)
        pending.started, pending.due = self.now, self.now + 8.0
        self.queue.packet_arrived(waiting_since, self.now)
        return pending

    def asks(self, pause: float = 0.0001, service: float = 0.2) -> bool:
        """Whether the service is asked about the next packet. Then its answer takes ``service``."""
        is_asked = self.queue.leaves_time_for(self.packet(pause))
        self.now += service if is_asked else 0.0
        return is_asked


@pytest.mark.parametrize("service", [0.002, 0.2, 2.0])
def test_the_rest_of_a_queue_that_becomes_too_old_is_refused_until_a_pause(service: float) -> None:
    member = Member()
    assert member.asks(pause=5.0, service=service)
    started = member.now - service
    while member.asks(service=service):
        pass
    assert LATEST - MIN_SECONDS <= member.now - started <= LATEST - MIN_SECONDS + service + 0.001
    assert not any(member.asks(pause=0.008, service=service) for _ in range(20))
    assert member.asks(pause=service + 0.02, service=service)


def test_new_packets_that_arrive_fast_are_refused_only_for_a_moment() -> None:
    member = Member()
    asked = [member.asks(pause=0.1, service=0.2) for _ in range(300)]
    first = asked.index(False)
    refused = asked.index(True, first) - first
    assert refused * 0.1 == pytest.approx(REFUSING_SECONDS + 0.1, abs=0.101)
    assert all(asked[first + refused : first + refused + int(20.0 / 0.3)])


def test_single_packets_now_and_then_are_never_refused() -> None:
    member = Member()
    assert all(member.asks(pause=pause) for pause in (0.5, 1.0, 15.0, 60.0) * 20)


@pytest.mark.parametrize(
    ("service", "pause", "is_pause"),
    [
        (0.2, 0.1, False),
        (0.2, 0.25, True),
        (0.001, 0.005, False),
        (0.001, 0.02, True),
        (2.0, 1.5, False),
        (2.0, 2.5, True),
    ],
)
def test_a_pause_is_longer_than_an_answer_and_than_a_busy_machine_delays_a_packet(
    service: float, pause: float, *, is_pause: bool
) -> None:
    member = Member()
    member.asks(pause=5.0, service=service)
    started = member.now
    while member.now < started + 20.0:
        member.asks(service=service)
    member.asks(pause=pause, service=service)
    for _ in range(int(10.0 / service)):
        member.asks(service=service)
    assert member.asks(service=service) is is_pause


def test_the_deadline_is_shortened_so_that_the_oldest_packet_is_answered_in_time() -> None:
    member = Member()
    member.asks(pause=5.0, service=0.0)
    first = member.now
    for age in (5.0, 20.0, 22.0, 27.0):
        member.queue._requests = 1  # a mean answer that is longer than any wait
        packet = member.packet(first + age - member.now)
        member.queue._busy_since = first
        assert member.queue.leaves_time_for(packet)
        assert packet.due == pytest.approx(min(packet.started + 8.0, first + LATEST))


def test_mongooseim_does_not_count_the_time_in_its_queue() -> None:
    member = Member(Dialect.BOOLEAN)
    assert all(member.asks() for _ in range(1000))


def test_a_port_answers_a_queue_that_is_too_old_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_age, "EJABBERD_TIMEOUT", 0.5)
    monkeypatch.setattr(queue_age, "MARGIN_SECONDS", 0.1)
    monkeypatch.setattr(queue_age, "MIN_SECONDS", 0.1)
    decided: list[float] = []

    class SlowDecider(FakeDecider):
        def decide(self, command: Command, due: float, request_id: str) -> Decision:
            decided.append(due)
            time.sleep(0.1)
            return super().decide(command, due, request_id)

    running = RunningPort(SlowDecider, queue_age=QueueAge(lambda: None))
    running.ask(*["allow"] * 20)
    replies = [running.answer() for _ in range(20)]
    asked = len(decided)
    assert 1 <= asked < 10
    assert replies == [TRUE] * asked + [FAILURE] * (20 - asked)
    assert running.outcomes[-1].decision.answer.reason == "overload"
    assert max(decided) - min(decided) < 0.5
    time.sleep(0.3)
    running.ask("allow")
    assert running.answer() == TRUE
    running.run(b"", [])
