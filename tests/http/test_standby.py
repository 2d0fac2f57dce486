"""``standby``: one service at several URLs."""

import json
import socket
import ssl
import time
from collections.abc import Iterator
from typing import Any

import pytest
import trustme
from pydantic import ValidationError

from extauth_http.program.decider import Decider
from extauth_http.program.outcome import Decision
from extauth_http.protocol.command import Command, Operation
from tests.backends.test_rest import command
from tests.e2e.ejabberd import free_ports
from tests.integration.service import NO, YES, Request, Service, answering, http, silent
from tests.settings import settings_of

CLAIMS = http(200, json.dumps({"active": True, "username": "alice", "sub": "alice"}))


@pytest.fixture
def refused() -> str:
    """A URL at which nothing listens."""
    (port,) = free_ports(1)
    return f"http://127.0.0.1:{port}/x"


@pytest.fixture
def unreachable() -> Iterator[str]:
    """A URL whose connections never open: the queue of its listener is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        waiting = []
        for _ in range(8):
            connection = socket.socket()
            connection.setblocking(False)
            connection.connect_ex(address)
            waiting.append(connection)
        yield f"http://127.0.0.1:{address[1]}/x"
        for connection in waiting:
            connection.close()


def ask(decider: Decider, operation: str = "auth", seconds: float = 5.0) -> Decision:
    return decider.decide(command(operation), time.monotonic() + seconds, "id")


def decided(operation: str = "auth", seconds: float = 5.0, **backend: Any) -> Decision:
    decider = Decider(settings_of(backend={"kind": "rest", **backend}))
    try:
        return ask(decider, operation, seconds)
    finally:
        decider.close()


@pytest.mark.parametrize("first", ["refused", "unreachable"])
@pytest.mark.parametrize("operation", ["auth", "isuser", "setpass", "removeuser"])
def test_the_next_url_is_tried_if_nothing_reached_the_first(
    first: str, operation: str, request: pytest.FixtureRequest
) -> None:
    with Service() as service:
        decision = decided(
            operation, url=request.getfixturevalue(first), standby=[service.url], seconds=2.0
        )
        assert decision.answer.verdict.value == "allow"
        assert decision.service == f"http://localhost:{service.port}"
        (received,) = service.requests
        assert received.target == f"/x/{operation}"
        assert received.headers["host"] == f"localhost:{service.port}"


@pytest.mark.parametrize(
    ("backend", "answer"),
    [
        ({"kind": "rest"}, YES),
        ({"kind": "mongooseim"}, YES),
        ({"kind": "status"}, http(204)),
        ({"kind": "userinfo", "username_claim": "sub"}, CLAIMS),
        ({"kind": "introspection"}, CLAIMS),
        ({"kind": "password_grant", "client_id": "x"}, http(200, '{"access_token": "t"}')),
        ({"kind": "jsxc", "secret": "s"}, http(200, '{"result": "success"}')),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_each_kind_has_it(refused: str, backend: dict[str, Any], answer: bytes) -> None:
    with Service(answering(answer)) as service:
        assert decided(url=refused, standby=[service.url], **backend).answer.reason == "allowed"


def close_after_request(_: Request, connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("operation", "is_sent_again"),
    [(each.value, not each.is_write) for each in Operation],
)
def test_a_lost_connection_is_tried_elsewhere_only_for_a_read(
    operation: str, is_sent_again: bool
) -> None:
    with Service(close_after_request) as first, Service() as second:
        decision = decided(operation, url=first.url, standby=[second.url])
        assert len(second.requests) == is_sent_again
        assert decision.answer.verdict.value == ("allow" if is_sent_again else "undecided")


@pytest.mark.parametrize("answer", [NO, http(500), http(401), http(200, "?"), http(302)])
def test_an_answer_is_never_asked_for_again(answer: bytes) -> None:
    with Service(answering(answer)) as first, Service() as second:
        decision = decided(url=first.url, standby=[second.url])
        assert decision.answer.verdict.value != "allow"
        assert decision.service == f"http://localhost:{first.port}"
        assert second.requests == []


def test_a_service_that_received_the_request_and_is_silent_is_not_replaced() -> None:
    with Service(silent) as first, Service() as second:
        decision = decided(url=first.url, standby=[second.url], seconds=0.5)
        assert (decision.answer.reason, second.requests) == ("deadline", [])


def test_a_service_without_a_trusted_certificate_is_not_asked(tmp_path: Any) -> None:
    """Nothing of the request was sent to it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    with Service(tls=context) as first, Service() as second:
        decision = decided(url=first.url, standby=[second.url])
        assert (decision.answer.verdict.value, first.requests) == ("allow", [])


def test_all_attempts_share_one_deadline(unreachable: str) -> None:
    with Service(silent) as second:
        decision = decided(url=unreachable, standby=[second.url], seconds=1.0)
        assert (decision.answer.reason, len(second.requests)) == ("deadline", 1)


def test_if_no_url_answers_each_of_them_is_named(refused: str) -> None:
    (port,) = free_ports(1)
    answer = decided(url=refused, standby=[f"http://127.0.0.1:{port}/x"]).answer
    assert answer.reason == "connect_refused"
    assert answer.detail == (
        f"nothing listens at 127.0.0.1 port {refused.rpartition(':')[2][:-2]}; "
        f"nothing listens at 127.0.0.1 port {port}"
    )


def test_a_url_that_failed_is_tried_last_and_no_answer_is_remembered() -> None:
    with Service(close_after_request) as first, Service() as second:
        table = {"kind": "rest", "url": first.url, "standby": [second.url]}
        decider = Decider(settings_of(backend=table))
        for _ in range(3):
            assert ask(decider).answer.verdict.value == "allow"
        before = len(first.requests)
        assert len(second.requests) == 3
        second.behave = answering(NO)
        assert ask(decider).answer.verdict.value == "deny"
        # The second one fails: the first one has its turn although it failed a moment ago.
        second.behave, first.behave = close_after_request, answering(YES)
        assert ask(decider).answer.verdict.value == "allow"
        assert len(first.requests) == before + 1
        decider.close()


def test_the_host_can_be_in_each_url_of_rest() -> None:
    table = {
        "kind": "rest",
        "url": "https://{host}.a.example/x",
        "standby": ["https://{host}.b.example/x"],
    }
    settings = settings_of(backend=table)
    assert settings.backend
    decider = Decider(settings)
    auth = Command(Operation.AUTH, "alice", "one.invalid", "pass")
    answer = decider.decide(auth, time.monotonic() + 5, "id").answer
    decider.close()
    assert answer.reason == "name_not_found"
    assert "one.invalid.a.example" in answer.detail
    assert "one.invalid.b.example" in answer.detail


@pytest.mark.parametrize(
    ("backend", "error"),
    [
        ({"url": "http://127.0.0.1/", "standby": ["http://127.0.0.1/"]}, "expected other URLs"),
        ({"url": "http://a.de/", "standby": ["http://b.de/"] * 2}, "expected other URLs"),
        ({"url": "http://a.de/", "standby": ["b.de"]}, "standby.0"),
        ({"url": "http://a.de/", "standby": ["https://{host}/"]}, "no placeholder, as in url"),
        (
            {"kind": "userinfo", "issuer": "https://a.de", "standby": ["https://b.de/"]},
            "standby: expected url beside it",
        ),
    ],
)
def test_a_standby_that_cannot_be_used_is_an_error(backend: dict[str, Any], error: str) -> None:
    with pytest.raises(ValidationError, match=error):
        settings_of(backend={"kind": "rest", **backend})


def test_a_standby_in_clear_text_is_a_warning() -> None:
    table = {"kind": "rest", "url": "https://a.example/", "standby": ["http://b.example/"]}
    (found,) = settings_of(backend=table).warnings()
    assert "http://b.example/ in clear text" in found
