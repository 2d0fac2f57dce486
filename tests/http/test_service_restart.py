"""A service that restarts: who waits for it, and for how long."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from extauth_http.config.endpoint import Endpoint
from extauth_http.http import service_restart
from extauth_http.http.failure import RequestFailedError, Step
from extauth_http.http.request import Request
from extauth_http.http.response import Response
from extauth_http.http.service_restart import RESTART_SECONDS, RETRY_SECONDS, ServiceRestarts
from extauth_http.program.decider import Decider
from tests.backends.test_rest import command
from tests.e2e.ejabberd import free_ports
from tests.integration.service import YES, Service, answering
from tests.settings import settings_of

REQUEST = Request(b"POST", Endpoint.parse("http://127.0.0.1:1/x"), [])
OTHER = Request(b"POST", Endpoint.parse("http://127.0.0.1:2/x"), [])
REFUSED = RequestFailedError("connect_refused", "nothing listens", Step.CONNECT)
FAR = 1000.0


@dataclass
class FakeService:
    """A service and a clock. ``outcome`` is what each request gets; sleeping costs no time."""

    outcome: Response | RequestFailedError = REFUSED
    back_at: float = FAR
    """When it answers, whatever ``outcome`` is."""
    now: float = 100.0
    attempts: list[float] = field(default_factory=list)

    def send(self, request: Request, due: float, *, may_repeat: bool) -> Response:
        self.attempts.append(self.now)
        if self.now >= self.back_at:
            return Response(200, [], b"true")
        if isinstance(self.outcome, RequestFailedError):
            raise self.outcome
        return self.outcome

    def close(self) -> None:
        pass

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> FakeService:
    found = FakeService()
    monkeypatch.setattr(service_restart, "time", found)
    return found


@pytest.fixture
def restarts(service: FakeService) -> ServiceRestarts:
    """The service was there a moment ago, and is gone."""
    found = ServiceRestarts()
    service.outcome = Response(500, [], b"")
    assert found.send(REQUEST, FAR, service, may_repeat=False) is service.outcome
    service.outcome = REFUSED
    service.attempts.clear()
    return found


def seconds_until_failure(
    restarts: ServiceRestarts, service: FakeService, due: float = FAR, request: Request = REQUEST
) -> float:
    started = service.now
    with pytest.raises(RequestFailedError):
        restarts.send(request, due, service, may_repeat=False)
    return service.now - started


def test_a_request_waits_for_a_service_that_was_there_a_moment_ago(
    restarts: ServiceRestarts, service: FakeService
) -> None:
    service.back_at = service.now + 1.0
    response = restarts.send(REQUEST, FAR, service, may_repeat=False)
    assert response.status_code == 200
    assert service.now == pytest.approx(service.back_at, abs=2 * RETRY_SECONDS)


def test_a_service_that_was_never_there_is_not_waited_for(service: FakeService) -> None:
    assert seconds_until_failure(ServiceRestarts(), service) == 0
    assert len(service.attempts) == 1


def test_all_requests_together_wait_for_the_time_of_one_restart(
    restarts: ServiceRestarts, service: FakeService
) -> None:
    first = seconds_until_failure(restarts, service)
    assert first == pytest.approx(RESTART_SECONDS, abs=2 * RETRY_SECONDS)
    assert [seconds_until_failure(restarts, service) for _ in range(3)] == [0, 0, 0]
    service.back_at = service.now
    restarts.send(REQUEST, FAR, service, may_repeat=False)
    service.back_at = FAR
    assert seconds_until_failure(restarts, service) > 0


def test_a_request_waits_for_half_of_its_time_at_most(
    restarts: ServiceRestarts, service: FakeService
) -> None:
    due = service.now + 2.0
    assert 0.8 <= seconds_until_failure(restarts, service, due) <= 1.0


def test_another_origin_is_another_service(restarts: ServiceRestarts, service: FakeService) -> None:
    assert seconds_until_failure(restarts, service, request=OTHER) == 0


@pytest.mark.parametrize(
    ("reason", "step"),
    [
        ("connect_failed", Step.CONNECT),
        ("deadline", Step.CONNECT),
        ("tls", Step.CONNECT),
        ("connection_lost", Step.RECEIVE),
        ("deadline", Step.RECEIVE),
    ],
)
def test_only_a_request_that_found_nobody_is_sent_again(
    restarts: ServiceRestarts, service: FakeService, reason: str, step: Step
) -> None:
    service.outcome = RequestFailedError(reason, "", step)
    assert seconds_until_failure(restarts, service) == 0
    assert len(service.attempts) == 1


def test_a_service_that_fails_after_it_got_the_request_is_there(
    restarts: ServiceRestarts, service: FakeService
) -> None:
    seconds_until_failure(restarts, service)
    service.outcome = RequestFailedError("bad_http", "", Step.RECEIVE)
    seconds_until_failure(restarts, service)
    service.outcome = REFUSED
    assert seconds_until_failure(restarts, service) > 0


def test_a_request_that_cannot_be_written_does_not_show_that_the_service_is_there(
    service: FakeService,
) -> None:
    restarts = ServiceRestarts()
    service.outcome = RequestFailedError("bad_request", "", Step.PREPARE)
    seconds_until_failure(restarts, service)
    service.outcome = REFUSED
    assert seconds_until_failure(restarts, service) == 0


@pytest.mark.parametrize("operation", ["auth", "setpass"])
@pytest.mark.parametrize("has_socket", [False, True])
def test_a_restart_of_a_real_service_refuses_nobody(
    tmp_path: Path, operation: str, *, has_socket: bool
) -> None:
    (port,) = free_ports(1)
    path = tmp_path / "app.sock" if has_socket else None
    with Service(answering(YES), port=port, path=path) as first:
        decider = Decider(settings_of(backend={"kind": "rest", "url": first.url}))
        decider.decide(command("auth"), time.monotonic() + 10, "id")
    if path:
        path.unlink()
    with ExitStack() as running, ThreadPoolExecutor(1) as background:
        login = background.submit(decider.decide, command(operation), time.monotonic() + 10, "id")
        time.sleep(0.2)
        second = running.enter_context(Service(answering(YES), port=port, path=path))
        decision = login.result()
    decider.close()
    assert decision.answer.verdict.value == "allow"
    assert len(second.requests) == 1
