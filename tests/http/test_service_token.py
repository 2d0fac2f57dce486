"""The access token of this program itself: ``service_auth.kind = "oauth2"``."""

import json
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest

from extauth_http.http import service_token
from extauth_http.program.decider import Decider
from extauth_http.program.outcome import Decision
from extauth_http.protocol.command import Command, Operation
from tests.integration.service import Request, Service, http, silent
from tests.settings import settings_of

SECRET = "our-own-secret"


class Provider:
    """Issues the tokens token-1, token-2 and so on, and accepts those of ``accepted``."""

    def __init__(self) -> None:
        self.issued = 0
        self.expires_in: object = 3600
        self.accepted: set[str] | None = None
        self.token_answer: bytes | None = None
        self.delay = 0.0
        self.url = ""

    def __call__(self, request: Request, connection: Any) -> None:
        if request.target.endswith("openid-configuration"):
            document = {"issuer": self.url, "token_endpoint": f"{self.url}/token"}
            connection.sendall(http(200, json.dumps(document)))
        elif request.target == "/token":
            time.sleep(self.delay)
            self.issued += 1
            body = {"access_token": f"token-{self.issued}", "expires_in": self.expires_in}
            connection.sendall(self.token_answer or http(200, json.dumps(body)))
        else:
            token = request.headers.get("authorization", "").removeprefix("Bearer ")
            is_accepted = self.accepted is None or token in self.accepted
            connection.sendall(http(200, "true") if is_accepted else http(401))


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def service(provider: Provider) -> Iterator[Service]:
    with Service(provider) as running:
        provider.url = f"http://localhost:{running.port}"
        yield running


@pytest.fixture
def decider(service: Service) -> Iterator[Decider]:
    decider = decider_of(service)
    yield decider
    decider.close()


def decider_of(service: Service, **keys: Any) -> Decider:
    auth = {"kind": "oauth2", "client_id": "us", "client_secret": SECRET, **keys}
    if "issuer" not in auth:
        auth["token_url"] = f"http://localhost:{service.port}/token"
    table = {"kind": "rest", "url": service.url, "service_auth": auth}
    return Decider(settings_of(backend=table))


def login(
    decider: Decider, seconds: float = 5.0, operation: Operation = Operation.AUTH
) -> Decision:
    command = Command(operation, "alice", "example.org", "pass")
    return decider.decide(command, time.monotonic() + seconds, "id")


def tokens(service: Service) -> list[str]:
    """The Authorization headers that the service got, without those of the token endpoint."""
    return [
        request.headers["authorization"]
        for request in service.requests
        if request.target.startswith("/x")
    ]


def test_one_token_is_requested_and_sent_with_each_request(
    service: Service, provider: Provider, decider: Decider
) -> None:
    for operation in (Operation.AUTH, Operation.SETPASS):
        decision = login(decider, operation=operation)
        assert (decision.answer.verdict.value, decision.status) == ("allow", 200)
    assert tokens(service) == ["Bearer token-1"] * 2
    (request,) = [each for each in service.requests if each.target == "/token"]
    assert parse_qs(request.body.decode()) == {"grant_type": ["client_credentials"]}
    assert request.headers["authorization"] == "Basic dXM6b3VyLW93bi1zZWNyZXQ="


def test_the_request_for_a_token_is_what_the_configuration_says(service: Service) -> None:
    decider = decider_of(
        service, client_auth="client_secret_post", scope="a b", audience="https://api.example.org"
    )
    login(decider)
    decider.close()
    request = service.requests[0]
    assert "authorization" not in request.headers
    assert parse_qs(request.body.decode()) == {
        "grant_type": ["client_credentials"],
        "scope": ["a b"],
        "audience": ["https://api.example.org"],
        "client_id": ["us"],
        "client_secret": [SECRET],
    }


def test_the_token_endpoint_is_found_by_discovery(service: Service, provider: Provider) -> None:
    decider = decider_of(service, issuer=provider.url)
    assert login(decider).answer.verdict.value == "allow"
    decider.close()


@pytest.mark.parametrize(
    ("expires_in", "requests"),
    [(3600, 1), (None, 1), ("x", 1), (0.2, 2), (True, 1), (-5, 1)],
)
def test_a_token_is_replaced_before_it_expires(
    service: Service, provider: Provider, decider: Decider, expires_in: object, requests: int
) -> None:
    provider.expires_in = expires_in
    login(decider)
    time.sleep(0.15)
    login(decider)
    assert provider.issued == requests


def test_a_token_that_the_service_refuses_is_replaced_once(
    service: Service, provider: Provider, decider: Decider, monkeypatch: pytest.MonkeyPatch
) -> None:
    login(decider)
    monkeypatch.setattr(service_token, "MIN_AGE", 0.0)
    provider.accepted = {"token-2"}
    decision = login(decider, operation=Operation.SETPASS)
    assert (decision.answer.verdict.value, decision.status) == ("allow", 200)
    assert tokens(service) == ["Bearer token-1", "Bearer token-1", "Bearer token-2"]


def test_a_service_that_refuses_each_token_causes_no_flood_of_requests(
    service: Service, provider: Provider, decider: Decider
) -> None:
    provider.accepted = set()
    for _ in range(5):
        assert login(decider).answer.reason == "service_auth_refused"
    assert (provider.issued, len(tokens(service))) == (1, 5)


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (http(401, '{"error": "invalid_client"}'), "http_401"),
        (http(400, f'{{"error": "invalid_client", "x": "{SECRET}"}}'), "http_400"),
        (http(500), "http_500"),
        (http(302, "", "Location: http://127.0.0.1:1/"), "http_302"),
        (http(200, "{}"), "no access_token"),
        (http(200, "<html>"), "not_an_answer"),
        (http(200, '{"access_token": "a\\r\\nb"}'), "no access_token"),
        (http(200, '{"access_token": "a", "token_type": "DPoP"}'), "not a bearer token"),
    ],
)
def test_without_a_token_there_is_no_verdict(
    service: Service, provider: Provider, decider: Decider, answer: bytes, detail: str
) -> None:
    provider.token_answer = answer
    found = login(decider).answer
    assert (found.verdict.value, found.reason) == ("undecided", "service_token")
    assert detail in found.detail
    assert SECRET not in found.detail
    assert tokens(service) == []
    provider.token_answer = None
    assert login(decider).answer.verdict.value == "allow"


def test_a_silent_token_endpoint_does_not_outlast_the_deadline(service: Service) -> None:
    service.behave = silent
    decider = decider_of(service)
    started = time.monotonic()
    found = login(decider, seconds=0.3).answer
    decider.close()
    assert (found.verdict.value, found.reason) == ("undecided", "service_token")
    assert time.monotonic() - started < 5


def test_many_logins_at_once_request_one_token(
    service: Service, provider: Provider, decider: Decider
) -> None:
    provider.delay = 0.3
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(login(decider).answer.verdict.value))
        for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (found, provider.issued) == (["allow"] * 16, 1)


def test_the_provider_need_not_return_the_request_id(service: Service, provider: Provider) -> None:
    auth = {"kind": "oauth2", "client_id": "us", "client_secret": SECRET}
    auth["token_url"] = f"{provider.url}/token"
    table = {"kind": "rest", "url": service.url, "service_auth": auth, "echo": "X-Request-ID"}
    decider = Decider(settings_of(backend=table))
    found = login(decider).answer
    decider.close()
    # The provider was asked, and the service did not return the ID.
    assert (found.reason, provider.issued) == ("wrong_answer", 1)


@pytest.mark.parametrize("kind", ["userinfo", "status"])
def test_the_header_of_the_user_is_never_replaced(service: Service, kind: str) -> None:
    auth = {"kind": "oauth2", "client_id": "us", "client_secret": SECRET}
    auth["token_url"] = f"http://localhost:{service.port}/token"
    with pytest.raises(ValueError, match="the Authorization header holds the user's credential"):
        settings_of(backend={"kind": kind, "url": service.url, "service_auth": auth})
