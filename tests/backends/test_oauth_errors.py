"""What a provider says about a refused request, scripted over real HTTP."""

import json
import socket
import time
from typing import Any

import pytest

from extauth_http.program.decider import Decider
from extauth_http.protocol.command import Command, Operation
from tests.decide import decide
from tests.integration.service import Request, Service, answering, http
from tests.settings import settings_of


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, '{"error": "invalid_grant"}', ("deny", "invalid_grant")),
        (401, '{"error": "invalid_grant"}', ("deny", "invalid_grant")),  # Keycloak
        (403, '{"error": "invalid_grant"}', ("deny", "invalid_grant")),  # Auth0
        (401, '{"error": "invalid_credentials"}', ("deny", "invalid_grant")),  # Passport
        (403, '{"error": "mfa_required"}', ("deny", "mfa_required")),  # Auth0
        (400, '{"error": "interaction_required"}', ("deny", "account_refused")),
        (401, '{"error": "invalid_client"}', ("undecided", "service_auth_refused")),
        (400, '{"error": "invalid_client"}', ("undecided", "service_auth_refused")),
        (400, '{"error": "unauthorized_client"}', ("undecided", "service_auth_refused")),
        (400, '{"error": "unsupported_grant_type"}', ("undecided", "oauth_error")),
        (400, '{"error": "something else"}', ("undecided", "oauth_error")),
        (401, '["invalid_grant"]', ("undecided", "http_401")),
        (401, "<html>", ("undecided", "http_401")),
        (403, "", ("undecided", "http_403")),  # Glewlwyd
        (400, "{}", ("undecided", "http_400")),
        (400, '{"error": ["invalid_grant"]}', ("undecided", "http_400")),
        (429, "", ("undecided", "http_429")),
        (200, '{"error": "invalid_grant"}', ("undecided", "not_an_answer")),
        (200, '{"access_token": ""}', ("undecided", "not_an_answer")),
        (500, '{"error": "invalid_grant"}', ("undecided", "http_500")),
    ],
)
def test_the_error_member_says_whether_the_user_or_the_client_is_refused(
    status: int, body: str, expected: tuple[str, str]
) -> None:
    command = Command(Operation.AUTH, "alice", "example.org", "a-password")
    client: dict[str, Any] = {"client_id": "extauth", "client_secret": "s3cret"}
    with Service(answering(http(status, body))) as service:
        answer = decide(command, kind="password_grant", url=service.url, **client).answer
    assert (answer.verdict.value, answer.reason) == expected


@pytest.mark.parametrize(
    ("description", "is_shown"),
    [
        ("Account is not fully set up", True),
        ("Account disabled", True),
        ("", False),
        (7, False),
        ("the password correct-horse is wrong", False),
        ("CORRECT is wrong", False),
        ("c29ycmVj%20 for alice", False),
        ("client s3cr3t-of-ours", False),
        ("line\nbreak", False),
        ("\u202eturned", False),
        ("x" * 201, False),
    ],
)
def test_a_description_is_shown_if_it_quotes_nothing_of_the_request(
    description: Any, is_shown: bool
) -> None:
    body = json.dumps({"error": "invalid_grant", "error_description": description})
    command = Command(Operation.AUTH, "alice", "example.org", "correct-horse")
    client: dict[str, Any] = {"client_id": "extauth", "client_secret": "s3cr3t-of-ours"}
    with Service(answering(http(400, body))) as service:
        answer = decide(
            command,
            kind="password_grant",
            url=service.url,
            client_auth="client_secret_post",
            **client,
        ).answer
    expected = "the provider refused these credentials"
    assert answer.detail == (f"{expected}: {description}" if is_shown else expected)


@pytest.mark.parametrize(
    ("status", "challenge", "expected"),
    [
        (401, "", ("deny", "http_401", "the service refused the token")),
        (
            401,
            'Bearer error="invalid_token", error_description="x"',
            ("deny", "http_401", "the service refused the token (invalid_token)"),
        ),
        (401, 'Bearer error="a-token"', ("deny", "http_401", "the service refused the token")),
        (
            403,
            'Bearer realm="x", error="insufficient_scope", scope="openid xmpp"',
            ("deny", "scope_missing", "requires a scope that the token lacks: openid xmpp"),
        ),
        (
            403,
            'Bearer error="insufficient_scope", scope="a-token"',
            ("deny", "scope_missing", "requires a scope that the token lacks"),
        ),
        (403, 'Basic error="insufficient_scope"', ("undecided", "http_403", "")),
        (403, "", ("undecided", "http_403", "")),
    ],
)
def test_userinfo_reports_the_error_of_the_challenge(
    status: int, challenge: str, expected: tuple[str, str, str]
) -> None:
    header = [f"WWW-Authenticate: {challenge}"] if challenge else []
    with Service(answering(http(status, "", *header))) as service:
        command = Command(Operation.AUTH, "alice", "example.org", "a-token")
        answer = decide(command, kind="userinfo", url=service.url).answer
    assert (answer.verdict.value, answer.reason) == expected[:2]
    assert answer.detail.endswith(expected[2])
    assert "a-token" not in answer.detail


def test_a_discovery_document_that_must_not_be_kept_is_fetched_once_for_each_command() -> None:
    def behave(request: Request, connection: socket.socket) -> None:
        if request.target.endswith("openid-configuration"):
            url = f"http://localhost:{service.port}"
            document = {"issuer": service.url, "token_endpoint": f"{url}/token"}
            document["revocation_endpoint"] = f"{url}/revoke"
            connection.sendall(http(200, json.dumps(document), "Cache-Control: no-store"))
        else:
            connection.sendall(http(200, '{"access_token": "t", "refresh_token": "r"}'))

    command = Command(Operation.AUTH, "alice", "example.org", "a-password")
    with Service(behave) as service:
        decider = Decider(settings_of(backend={"kind": "password_grant", "issuer": service.url}))
        for _ in range(2):
            decision = decider.decide(command, time.monotonic() + 5, "a-request")
            assert decision.answer.verdict.value == "allow"
        decider.close()
        targets = [request.target for request in service.requests]
    assert targets == ["/x/.well-known/openid-configuration", "/token", "/revoke", "/revoke"] * 2


def test_userinfo_sends_an_api_key_beside_the_token() -> None:
    key = {"kind": "header", "name": "apikey", "value": "k3y"}
    with Service(answering(http(200, '{"preferred_username": "alice"}'))) as service:
        command = Command(Operation.AUTH, "alice", "example.org", "a-token")
        assert decide(
            command, kind="userinfo", url=service.url, service_auth=key
        ).answer.reason == ("allowed")
        headers = service.requests[0].headers
    assert (headers["apikey"], headers["authorization"]) == ("k3y", "Bearer a-token")
