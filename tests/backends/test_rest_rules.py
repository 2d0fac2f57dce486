"""Configured rules for responses, the owner in a response, and the request after a login."""

import json
import socket
from typing import Any

import pytest
from pydantic import ValidationError

from extauth_http.protocol.command import Operation
from extauth_http.protocol.verdict import Verdict
from tests.backends.test_rest import EVERY, command, verdict
from tests.decide import decide
from tests.integration.service import Behaviour, Request, Service, answering, http
from tests.settings import settings_of

WITH_PASSWORD = [
    each for each in Operation if each.has_credential and each is not Operation.CERTAUTH
]
ALLOW_ID = {"allow": [{"status": 200, "field": "id", "present": True}]}


def test_a_list_of_rules_replaces_its_default_and_leaves_the_others() -> None:
    operations = {"auth": ALLOW_ID}
    assert verdict("auth", http(200, '{"id": 7}'), operations=operations)[0] == "allow"
    assert verdict("auth", http(200, "true"), operations=operations)[0] == "undecided"
    assert verdict("auth", http(200, '{"id": 7, "result": false}'), operations=operations) == (
        "deny",
        "denied",
    )
    assert verdict("auth", http(403), operations=operations) == ("deny", "http_403")
    assert verdict("isuser", http(200, '{"id": 7}'), operations=operations)[0] == "undecided"


def test_the_rules_of_the_backend_are_those_of_each_operation_without_its_own() -> None:
    settings = {**ALLOW_ID, "operations": {"isuser": {"allow": [{"status": 204}]}}}
    assert verdict("auth", http(200, '{"id": 7}'), **settings)[0] == "allow"
    assert verdict("isuser", http(200, '{"id": 7}'), **settings)[0] == "undecided"
    assert verdict("isuser", http(204), **settings)[0] == "allow"


def test_a_refusal_of_this_program_is_no_verdict_about_the_user() -> None:
    refused: dict[str, Any] = {"refused": [{"status": 403}], "deny": [{"status": 403}]}
    assert verdict("auth", http(403), **refused) == ("undecided", "service_auth_refused")


OWNER = {"json": {"token": "{password}"}, "owner": {"field": "user.name"}}


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("alice", ("allow", "allowed")),
        ("ALICE", ("allow", "allowed")),
        ("bob", ("deny", "another_user")),
        ("", ("deny", "claim_empty")),
        (None, ("deny", "claim_not_text")),
        (True, ("deny", "claim_not_text")),
        (["alice"], ("deny", "claim_not_text")),
    ],
)
def test_a_token_lets_in_its_owner_alone(user: Any, expected: tuple[str, str]) -> None:
    body = json.dumps({"result": True, "user": {"name": user}})
    assert verdict("auth", http(200, body), operations={"auth": OWNER}) == expected


def test_a_response_that_names_no_owner_lets_nobody_in() -> None:
    assert verdict("auth", http(200, "true"), operations={"auth": OWNER}) == (
        "deny",
        "claim_missing",
    )


def test_the_owner_may_be_in_a_header_and_have_another_form() -> None:
    owner = {"header": "X-Owner", "equals": "{user}@{host}"}
    operations = {"auth": {"json": {"token": "{password}"}, "owner": owner}}
    for name, expected in (("alice@example.org", "allow"), ("alice", "deny")):
        answer = http(200, "true", f"X-Owner: {name}")
        assert verdict("auth", answer, operations=operations)[0] == expected


@pytest.mark.parametrize("operation", EVERY)
def test_a_request_that_does_not_identify_the_user_is_an_error(operation: str) -> None:
    table = {operation: {"json": {"token": "a-constant"}}}
    with pytest.raises(ValidationError, match="does not say which user"):
        settings_of(backend={"kind": "rest", "url": "http://127.0.0.1/x", "operations": table})


@pytest.mark.parametrize(
    "table",
    [
        {"path": "u/{user}"},
        {"query": {"u": "{jid}", "p": "{password}"}},
        {"form": {"u": "{user}", "p": "{password}"}},
        {"json": {"a": [{"b": "x{user}"}], "p": "{password}"}},
        {"headers": {"X-User": "{user}"}, "json": {"t": "{password}"}},
        OWNER,
    ],
)
def test_each_place_of_a_request_can_identify_the_user(table: dict[str, Any]) -> None:
    settings_of(
        backend={"kind": "rest", "url": "http://127.0.0.1/x", "operations": {"auth": table}}
    )


@pytest.mark.parametrize("operation", WITH_PASSWORD)
@pytest.mark.parametrize(
    "table",
    [
        {"json": {"login": "{user}", "password": "a-constant"}},
        {"form": {"login": "{user}"}},
        {"method": "GET", "path": "users/{user}"},
    ],
)
def test_a_request_without_the_password_is_an_error(
    operation: Operation, table: dict[str, Any]
) -> None:
    operations = {operation.value: table}
    backend = {"kind": "rest", "url": "http://127.0.0.1/x", "operations": operations}
    with pytest.raises(ValidationError, match=r"does not contain the password.*add \{password\}"):
        settings_of(backend=backend)


def test_a_request_without_the_certificate_is_an_error() -> None:
    table = {"certauth": {"json": {"u": "{user}"}}}
    with pytest.raises(ValidationError, match=r"does not contain the certificate.*\{certificate\}"):
        settings_of(backend={"kind": "rest", "url": "http://127.0.0.1/x", "operations": table})


@pytest.mark.parametrize("operation", ["auth", "certauth", "setpass", "tryregister"])
@pytest.mark.parametrize(
    "allow",
    [
        [{"status": [200, 401]}],
        [{"status": 200}, {"status": 403}],
        [{"status": ["2xx", "4xx"]}],
    ],
)
def test_a_status_that_refuses_is_no_yes(operation: str, allow: list[dict[str, Any]]) -> None:
    backend = {"kind": "rest", "url": "http://127.0.0.1/x"}
    with pytest.raises(ValidationError, match=r"allow: status 40[13] is a refusal"):
        settings_of(backend={**backend, "operations": {operation: {"allow": allow}}})
    with pytest.raises(ValidationError, match=r"allow: status 40[13] is a refusal"):
        settings_of(backend={**backend, "allow": allow})


@pytest.mark.parametrize(
    ("rule", "part"),
    [
        ({"allow": [{"field": "user", "equals": "{user}"}]}, "allow: equals and text are compared"),
        ({"deny": [{"header": "X-U", "equals": ["{jid}"]}]}, "deny: equals and text are compared"),
        ({"allow": [{"text": "{user}"}]}, "use owner to compare"),
        ({"json": {"u": "{user}", "p": "{password}", "allow": [{"status": 200}]}}, "json.allow"),
        ({"path": "http://127.0.0.1/login"}, "path: expected a path below url"),
        ({"form": {"u": "${user}", "p": "{password}"}}, r"form.u: write \{user\} without \$"),
    ],
)
def test_a_mistake_that_would_change_the_request_or_the_rule_is_an_error(
    rule: dict[str, Any], part: str
) -> None:
    with pytest.raises(ValidationError, match=part):
        settings_of(
            backend={"kind": "rest", "url": "http://127.0.0.1/x", "operations": {"auth": rule}}
        )


AFTER = {"path": "logout", "headers": {"Authorization": "Bearer {answer.token}"}, "json": {}}


@pytest.mark.parametrize(
    ("second", "detail"),
    [
        (http(204), ""),
        (http(500), "status 500"),
        (b"", "connection_lost"),
    ],
)
def test_a_request_that_follows_a_login_never_changes_its_verdict(
    second: bytes, detail: str
) -> None:
    with Service(answering(http(200, '{"result": true, "token": "t0"}'), second)) as service:
        if not second:
            service.behave = closing_after(http(200, '{"result": true, "token": "t0"}'))
        operations = {"auth": {"after": AFTER}}
        decision = decide(command("auth"), kind="rest", url=service.url, operations=operations)
        rest = service.requests[1:]
    assert (decision.answer.verdict, decision.status) == (Verdict.ALLOW, 200)
    assert detail in decision.answer.detail
    assert {(each.target, each.headers["authorization"]) for each in rest} == {
        ("/x/logout", "Bearer t0")
    }


def closing_after(answer: bytes) -> Behaviour:
    """Answers one request and closes each connection that carries another."""
    left = [answer]

    def behave(_: Request, connection: socket.socket) -> None:
        connection.sendall(left.pop()) if left else connection.shutdown(socket.SHUT_RDWR)

    return behave


def test_nothing_follows_a_login_that_is_refused() -> None:
    with Service(answering(http(200, '{"result": false, "token": "t0"}'))) as service:
        operations = {"auth": {"after": AFTER}}
        decide(command("auth"), kind="rest", url=service.url, operations=operations)
        assert len(service.requests) == 1
