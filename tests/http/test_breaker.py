"""The circuit breaker for a service that hangs."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extauth_http.http.breaker import Breaker, BreakerState
from extauth_http.program.decider import Decider
from tests.backends.test_rest import command
from tests.integration.service import NO, YES, Service, answering, http, silent
from tests.settings import settings_of

FAR = float("inf")


def late(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        assert breaker.admits(FAR)
        breaker.record(is_late=True)


def test_it_opens_after_the_limit_and_sends_one_probe_at_a_time() -> None:
    changes: list[BreakerState] = []
    breaker = Breaker(3, changes.append)
    late(breaker, 2)
    assert changes == []
    late(breaker, 1)
    assert changes == [BreakerState.OPEN]
    assert [breaker.admits(FAR) for _ in range(5)] == [True, False, False, False, False]
    breaker.record(is_late=True)
    assert [breaker.admits(FAR) for _ in range(3)] == [True, False, False]
    breaker.record(is_late=False)
    assert [breaker.admits(FAR) for _ in range(3)] == [True] * 3
    assert changes == [BreakerState.OPEN, BreakerState.CLOSED]


def test_an_answer_between_starts_the_count_again() -> None:
    breaker = Breaker(3)
    for _ in range(10):
        late(breaker, 2)
        breaker.record(is_late=False)
    assert breaker.admits(FAR)


def test_a_probe_that_does_not_return_is_replaced_after_its_deadline() -> None:
    breaker = Breaker(1)
    late(breaker, 1)
    assert breaker.admits(time.monotonic() + 0.05)
    assert not breaker.admits(FAR)
    time.sleep(0.06)
    assert breaker.admits(FAR)
    assert not breaker.admits(FAR)


def test_a_limit_of_zero_turns_it_off() -> None:
    breaker = Breaker(0)
    late(breaker, 100)


@given(st.lists(st.sampled_from(["late", "answer"]), max_size=40), st.integers(1, 5))
def test_any_answer_closes_it(results: list[str], limit: int) -> None:
    changes: list[BreakerState] = []
    breaker = Breaker(limit, changes.append)
    for result in results:
        if breaker.admits(FAR):
            breaker.record(is_late=result == "late")
    breaker.record(is_late=False)
    assert breaker.admits(FAR)
    # It opens and closes in turn.
    assert changes == [BreakerState.OPEN, BreakerState.CLOSED] * (len(changes) // 2)


def test_threads_send_one_probe() -> None:
    breaker = Breaker(1)
    late(breaker, 1)
    admitted: list[bool] = []
    threads = [
        threading.Thread(target=lambda: admitted.append(breaker.admits(FAR))) for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert admitted.count(True) == 1


@pytest.fixture
def service() -> Iterator[Service]:
    with Service(silent) as running:
        yield running


def decide(decider: Decider, seconds: float = 0.1, user: str = "alice") -> tuple[str, str]:
    answer = decider.decide(command("auth", user), time.monotonic() + seconds, "id").answer
    return answer.verdict.value, answer.reason


def test_a_service_that_hangs_is_asked_by_one_login_at_a_time(service: Service) -> None:
    changes: list[tuple[str, BreakerState]] = []
    table = {"kind": "rest", "url": service.url, "breaker_limit": 3}
    decider = Decider(settings_of(backend=table), on_breaker=lambda *change: changes.append(change))
    for _ in range(3):
        assert decide(decider) == ("undecided", "deadline")
    found: dict[str, tuple[str, str]] = {}
    probe = threading.Thread(target=lambda: found.update(probe=decide(decider, 0.5)))
    probe.start()
    while len(service.requests) < 4:
        time.sleep(0.01)
    assert [decide(decider, 5)[1] for _ in range(5)] == ["service_hangs"] * 5
    probe.join()
    assert found["probe"] == ("undecided", "deadline")
    service.behave = answering(NO)
    assert decide(decider, 5) == ("deny", "denied")
    service.behave = answering(YES)
    assert decide(decider, 5) == ("allow", "allowed")
    assert changes == [("rest", BreakerState.OPEN), ("rest", BreakerState.CLOSED)]
    decider.close()


@pytest.mark.parametrize("answer", [http(500), http(503), http(200, "?"), http(401)])
def test_a_service_that_answers_with_an_error_does_not_open_it(answer: bytes) -> None:
    with Service(answering(answer)) as service:
        table = {"kind": "rest", "url": service.url, "breaker_limit": 1}
        decider = Decider(settings_of(backend=table))
        assert "service_hangs" not in {decide(decider, 5)[1] for _ in range(5)}
        assert len(service.requests) == 5
        decider.close()


def test_a_service_that_refuses_connections_does_not_open_it() -> None:
    table = {"kind": "rest", "url": "http://127.0.0.1:1/x", "breaker_limit": 1}
    decider = Decider(settings_of(backend=table))
    assert {decide(decider, 5)[1] for _ in range(5)} == {"connect_refused"}
    decider.close()


def test_another_table_of_a_chain_is_not_affected(service: Service) -> None:
    with Service(answering(YES)) as other:
        first: dict[str, Any] = {"kind": "rest", "url": service.url, "breaker_limit": 1}
        tables = [{**first, "users": ["alice"]}, {"kind": "rest", "url": other.url}]
        decider = Decider(settings_of(backend={"kind": "chain", "try": tables}))
        assert decide(decider)[1] == "deadline"
        assert decide(decider, 5, "bob") == ("allow", "allowed")
        decider.close()
