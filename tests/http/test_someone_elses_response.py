"""A response to another request is never taken for the response to this one."""

import socket
import time
from typing import Any

import pytest

from extauth_http.program.decider import Decider
from extauth_http.program.outcome import Decision
from extauth_http.protocol.command import Command, Operation
from tests.integration.service import Behaviour, Request, Service, answering, http
from tests.settings import settings_of

RIGHT = Command(Operation.AUTH, "alice", "example.org", "right")
WRONG = Command(Operation.AUTH, "alice", "example.org", "wrong")


def ask(decider: Decider, command: Command, request_id: str) -> Decision:
    return decider.decide(command, time.monotonic() + 5, request_id)


def verdict(request: Request, *headers: str) -> bytes:
    return http(200, "true" if request.json()["password"] == "right" else "false", *headers)


def echo(request: Request) -> str:
    return f"X-Request-ID: {request.headers['x-request-id']}"


def shifted(*, echoes: bool) -> Behaviour:
    """Answers the first request on a connection late and twice: from then on each response belongs
    to the request before. The second response arrives when the next request is on its way, which no
    check of an idle connection can see."""
    first: dict[int, bytes] = {}

    def behave(request: Request, connection: socket.socket) -> None:
        own = verdict(request, *([echo(request)] if echoes else []))
        before = first.get(request.connection)
        first[request.connection] = own
        connection.sendall(own if before is None else before)

    return behave


def decisions(behave: Behaviour, **backend: Any) -> list[tuple[str, str]]:
    """The decisions for a right and then a wrong password, one after the other."""
    with Service(behave) as service:
        decider = Decider(settings_of(backend={"kind": "rest", "url": service.url, **backend}))
        found = [ask(decider, each, f"id-{at}") for at, each in enumerate((RIGHT, WRONG))]
        decider.close()
    return [(each.answer.verdict.value, each.answer.reason) for each in found]


def test_without_an_echo_a_shifted_response_admits_a_wrong_password() -> None:
    """The danger that the tests below are about: HTTP/1.1 itself cannot reveal it."""
    assert decisions(shifted(echoes=False)) == [("allow", "allowed"), ("allow", "allowed")]


def test_a_response_with_the_id_of_another_request_is_no_verdict() -> None:
    assert decisions(shifted(echoes=True)) == [("allow", "allowed"), ("undecided", "wrong_answer")]


def test_with_one_connection_for_each_request_nothing_can_be_shifted() -> None:
    found = decisions(shifted(echoes=False), reuse_connections=False)
    assert found == [("allow", "allowed"), ("deny", "denied")]


def test_a_service_that_must_return_the_id_and_does_not_is_no_verdict() -> None:
    def behave(request: Request, connection: socket.socket) -> None:
        connection.sendall(verdict(request))

    assert decisions(behave, echo="X-Request-ID") == [("undecided", "wrong_answer")] * 2


def test_a_service_that_returns_the_id_is_believed() -> None:
    def behave(request: Request, connection: socket.socket) -> None:
        connection.sendall(verdict(request, echo(request)))

    expected = [("allow", "allowed"), ("deny", "denied")]
    assert decisions(behave, echo="X-Request-ID") == expected
    assert decisions(behave) == expected


def test_a_connection_with_a_wrong_response_is_closed() -> None:
    with Service(answering(http(200, "true", "X-Request-ID: another"))) as service:
        decider = Decider(settings_of(backend={"kind": "rest", "url": service.url}))
        for number in range(3):
            assert ask(decider, RIGHT, f"id-{number}").answer.reason == "wrong_answer"
        assert [request.connection for request in service.requests] == [0, 1, 2]
        decider.close()


def test_the_status_of_a_wrong_response_is_known() -> None:
    with Service(answering(http(200, "true", "X-Request-ID: another"))) as service:
        decider = Decider(settings_of(backend={"kind": "rest", "url": service.url}))
        assert ask(decider, RIGHT, "id").status == 200


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (http(200, "true", "Content-Encoding: identity"), "allowed"),
        (http(200, "true", "Content-Encoding: "), "allowed"),
        (http(200, "true", "Content-Encoding: IDENTITY"), "allowed"),
        (http(200, "true", "Content-Encoding: gzip"), "content_encoding"),
        (http(200, "x" * 300_000), "too_large"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\ntrue", "bad_http"),
    ],
)
def test_the_status_is_known_if_the_response_cannot_be_used(answer: bytes, reason: str) -> None:
    with Service(answering(answer)) as service:
        decider = Decider(settings_of(backend={"kind": "rest", "url": service.url}))
        decision = ask(decider, RIGHT, "id")
        decider.close()
    assert decision.answer.reason == reason
    assert decision.status == (None if reason == "bad_http" else 200)
