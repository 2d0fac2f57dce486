"""The owner of a token: every form that a claim can have.

The responses are scripted over real HTTP, because no real provider sends all of these.
"""

import json
import socket
import time
from typing import Any

import pytest
from pydantic import ValidationError

from extauth_http.program.decider import Decider
from extauth_http.protocol.command import Command, Operation
from tests.decide import decide
from tests.integration.service import Request, Service, answering, http
from tests.settings import settings_of


def judged(claims: Any, user: str = "alice", **more: Any) -> tuple[str, str]:
    backend = {"kind": "introspection", **more}
    with Service(answering(http(200, json.dumps(claims)))) as service:
        command = Command(Operation.AUTH, user, "example.org", "a-token")
        decision = decide(command, url=service.url, **backend)
    return decision.answer.verdict.value, decision.answer.reason


def active(**claims: Any) -> dict[str, Any]:
    return {"active": True, "username": "alice", **claims}


NOW = time.time()


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        (active(), ("allow", "allowed")),
        (active(username="ALICE"), ("allow", "allowed")),
        (active(username="\uff41lice"), ("allow", "allowed")),  # a full-width a
        (active(username="bob"), ("deny", "another_user")),
        (active(username="alice "), ("deny", "another_user")),
        (active(username="alice@example.org"), ("deny", "another_user")),
        (active(username="аlice"), ("deny", "another_user")),  # noqa: RUF001 - that is the point
        (active(username=""), ("deny", "claim_empty")),
        (active(username=None), ("deny", "claim_not_text")),
        (active(username=["alice"]), ("deny", "claim_not_text")),
        (active(username=True), ("deny", "claim_not_text")),
        (active(username=7.5), ("deny", "claim_not_text")),
        ({"active": True}, ("deny", "claim_missing")),
        ({"active": False}, ("deny", "inactive")),
        ({"active": False, "username": "alice"}, ("deny", "inactive")),
        ({"username": "alice"}, ("undecided", "not_an_answer")),
        (active(active=1), ("undecided", "not_an_answer")),
        (active(active="true"), ("undecided", "not_an_answer")),
        ([active()], ("undecided", "not_an_answer")),
        (active(exp=NOW + 86_400), ("allow", "allowed")),
        (active(exp=int(NOW) - 1), ("deny", "expired")),
        (active(nbf=int(NOW) - 1), ("allow", "allowed")),
        (active(nbf=NOW + 86_400), ("deny", "not_yet_valid")),
        (active(exp="tomorrow"), ("undecided", "not_an_answer")),
        (active(exp=True), ("undecided", "not_an_answer")),
    ],
)
def test_only_a_valid_token_of_the_user_is_accepted(claims: Any, expected: tuple[str, str]) -> None:
    assert judged(claims) == expected


@pytest.mark.parametrize(
    ("owner", "user", "is_same"),
    [
        ("GROß", "gross", True),
        ("groẞ", "gross", False),  # a letter of Unicode 5.1, which XMPP's rules do not know
        ("\u10d0", "\u10d0", True),
        ("\u1c90", "\u10d0", False),  # and one of Unicode 11, for which Python has a small one
    ],
)
def test_owner_and_user_are_compared_by_the_rules_of_xmpp(
    owner: str, user: str, is_same: bool
) -> None:
    expected = ("allow", "allowed") if is_same else ("deny", "another_user")
    assert judged(active(username=owner), user) == expected


@pytest.mark.parametrize(
    ("more", "claims", "expected"),
    [
        ({"audience": "xmpp"}, active(aud="xmpp"), ("allow", "allowed")),
        ({"audience": "xmpp"}, active(aud=["web", "xmpp"]), ("allow", "allowed")),
        ({"audience": "xmpp"}, active(aud=["web"]), ("deny", "wrong_audience")),
        ({"audience": "xmpp"}, active(aud="xmpp web"), ("deny", "wrong_audience")),
        ({"audience": "xmpp"}, active(), ("deny", "wrong_audience")),
        ({"issuer": "https://op"}, active(iss="https://op"), ("allow", "allowed")),
        ({"issuer": "https://op"}, active(iss="https://op/"), ("deny", "wrong_issuer")),
        ({"issuer": "https://op"}, active(), ("deny", "wrong_issuer")),
        ({"scope": "xmpp"}, active(scope="openid xmpp"), ("allow", "allowed")),
        ({"scope": "xmpp"}, active(scope="xmpp2"), ("deny", "scope_missing")),
        ({"scope": "xmpp"}, active(scope=["xmpp"]), ("deny", "scope_missing")),
        ({"scope": "a b"}, active(scope="a"), ("deny", "scope_missing")),
        ({"username_claim": "sub"}, active(sub="alice"), ("allow", "allowed")),
        ({"username_claim": "sub"}, active(), ("deny", "claim_missing")),
        (
            {"username_claim": "email", "username_match": "{user}@{host}"},
            active(email="Alice@Example.org", email_verified=True),
            ("allow", "allowed"),
        ),
        (
            {"username_claim": "email", "username_match": "{user}@{host}"},
            active(email="alice@evil.example"),
            ("deny", "another_user"),
        ),
    ],
)
def test_each_configured_rule_must_hold(
    more: dict[str, str], claims: Any, expected: tuple[str, str]
) -> None:
    assert judged(claims, **more) == expected


def test_escapes_in_the_user_are_decoded_if_that_is_configured() -> None:
    claims = active(username="alice@corp.com")
    assert judged(claims, r"alice\40corp.com", jid_unescape=True) == ("allow", "allowed")
    assert judged(claims, r"alice\40corp.com") == ("deny", "another_user")


def test_a_pattern_without_the_user_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected \{user\} in it"):
        judged(active(), username_match="everybody")


@pytest.mark.parametrize("key", ["username_claim", "audience", "issuer", "scope"])
def test_a_rule_that_a_kind_cannot_apply_is_refused(key: str) -> None:
    rule = {key: "https://login.example.org"}
    basic: dict[str, Any] = {"kind": "status", "url": "http://127.0.0.1:1/", **rule}
    bearer = {**basic, "credential": "bearer", "username_header": "X-Owner"}
    grant = {**basic, "kind": "password_grant"}
    for backend in (basic, bearer, *[grant] * (key in ("username_claim", "audience"))):
        with pytest.raises(ValueError, match=f"{key}: kind {backend['kind']} has nothing"):
            decide(Command(Operation.AUTH, "alice", "example.org", "x"), **backend)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("deny", ("deny", "unsupported")),
        ("allow", ("allow", "allowed")),
        ("undecided", ("undecided", "cannot_tell")),
    ],
)
def test_isuser_has_the_configured_answer(choice: str, expected: tuple[str, str]) -> None:
    command = Command(Operation.ISUSER, "alice", "example.org")
    decision = decide(command, kind="introspection", url="http://127.0.0.1:1/", isuser=choice)
    assert (decision.answer.verdict.value, decision.answer.reason) == expected


def test_isuser_can_be_decided_by_another_backend() -> None:
    def known(request: Request, connection: Any) -> None:
        connection.sendall(http(200, "true" if request.json()["user"] == "alice" else "false"))

    with Service(known) as service:
        table = {"kind": "rest", "url": service.url}
        for user, expected in (("alice", "allow"), ("bob", "deny")):
            command = Command(Operation.ISUSER, user, "example.org")
            decision = decide(command, kind="userinfo", url="http://127.0.0.1:1/", isuser=table)
            assert (decision.answer.verdict.value, decision.status) == (expected, 200)


DOCUMENT = {"issuer": "{issuer}", "introspection_endpoint": "{issuer}/introspect"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, "allowed"),
        ({"issuer": "http://other.example"}, "discovery"),
        ({"introspection_endpoint": None}, "discovery"),
        ({"introspection_endpoint": 7}, "discovery"),
        ({"introspection_endpoint": "/introspect"}, "discovery"),
    ],
)
def test_a_discovery_document_is_accepted_only_from_its_issuer(
    change: dict[str, Any], reason: str
) -> None:
    def provider(request: Request, connection: Any) -> None:
        issuer = service.url
        if request.target == "/x/.well-known/openid-configuration":
            text = json.dumps({**DOCUMENT, **change}).replace("{issuer}", issuer)
        else:
            text = json.dumps(active(iss=issuer))
        connection.sendall(http(200, text))

    with Service(provider) as service:
        command = Command(Operation.AUTH, "alice", "example.org", "a-token")
        decision = decide(command, kind="introspection", issuer=service.url)
    assert decision.answer.reason == reason


@pytest.mark.parametrize("token", ["a b", "a\nX: y", "ä", "a=b", "=", 'a"', "a,b"])
def test_a_password_that_is_not_a_bearer_token_is_refused_without_a_request(token: str) -> None:
    with Service() as service:
        command = Command(Operation.AUTH, "alice", "example.org", token)
        decision = decide(command, kind="userinfo", url=service.url)
        assert (decision.answer.reason, service.requests) == ("not_a_token", [])


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
    ("claims", "expected"),
    [
        (active(valid=False), ("deny", "inactive")),
        (active(enabled=False), ("deny", "inactive")),
        (active(success=False), ("deny", "inactive")),
        (active(revoked=True), ("deny", "inactive")),
        (active(blocked=True), ("deny", "inactive")),
        (active(error="invalid_token"), ("undecided", "not_an_answer")),
        (active(valid=True, revoked=False, error=None), ("allow", "allowed")),
    ],
)
@pytest.mark.parametrize("kind", ["introspection", "userinfo"])
def test_a_response_that_contains_its_own_no_is_never_a_yes(
    kind: str, claims: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert judged(claims, kind=kind, username_claim="username") == expected


def test_an_inactive_token_is_refused_by_userinfo_too() -> None:
    claims = {"active": False, "preferred_username": "alice"}
    assert judged(claims, kind="userinfo") == ("deny", "inactive")


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        (active(token_type="Bearer", typ="at+jwt", token_use="access"), ("allow", "allowed")),
        (active(token_type="bearer", typ="Bearer"), ("allow", "allowed")),
        (active(cnf={"jkt": "x"}), ("deny", "sender_constrained")),
        (active(cnf={"x5t#S256": "x"}, token_type="Bearer"), ("deny", "sender_constrained")),
        (active(token_type="DPoP"), ("deny", "sender_constrained")),
        (active(token_type="mac"), ("deny", "not_an_access_token")),
        (active(token_type="refresh_token"), ("deny", "not_an_access_token")),
        (active(token_type=7), ("deny", "not_an_access_token")),
        (active(token_use="refresh_token"), ("deny", "not_an_access_token")),
        (active(token_use="id"), ("deny", "not_an_access_token")),
        (active(typ="Refresh"), ("deny", "not_an_access_token")),
        (active(typ="Offline"), ("deny", "not_an_access_token")),
        (active(typ="ID"), ("deny", "not_an_access_token")),
        (active(typ="logout+jwt"), ("deny", "not_an_access_token")),
    ],
)
def test_only_an_access_token_that_a_bearer_may_use_is_accepted(
    claims: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert judged(claims) == expected


EMAIL: dict[str, Any] = {"username_claim": "email", "username_match": "{user}@{host}"}
ADDRESS = {"email": "alice@example.org"}


@pytest.mark.parametrize(
    ("settings", "claims", "expected"),
    [
        (EMAIL, ADDRESS, ("deny", "claim_required")),
        (EMAIL, {**ADDRESS, "email_verified": False}, ("deny", "claim_required")),
        (EMAIL, {**ADDRESS, "email_verified": "true"}, ("deny", "claim_required")),
        (EMAIL, {**ADDRESS, "email_verified": 1}, ("deny", "claim_required")),
        (EMAIL, {**ADDRESS, "email_verified": True}, ("allow", "allowed")),
        ({**EMAIL, "require": {"email_verified": []}}, ADDRESS, ("allow", "allowed")),
        (
            {**EMAIL, "require": {"azp": "xmpp"}},
            {**ADDRESS, "azp": "xmpp"},
            ("deny", "claim_required"),
        ),
        ({"require": {"azp": "xmpp"}}, {"azp": "xmpp"}, ("allow", "allowed")),
        ({"require": {"azp": "xmpp"}}, {"azp": "web"}, ("deny", "claim_required")),
        ({"require": {"azp": "xmpp"}}, {}, ("deny", "claim_required")),
        ({"require": {"client_id": ["a", "b"]}}, {"client_id": "b"}, ("allow", "allowed")),
        ({"require": {"level": 1}}, {"level": True}, ("deny", "claim_required")),
        ({"require": {"level": 1}}, {"level": "1"}, ("deny", "claim_required")),
        ({"require": {"groups": "xmpp"}}, {"groups": ["web", "xmpp"]}, ("allow", "allowed")),
        ({"require": {"groups": "xmpp"}}, {"groups": "web xmpp"}, ("deny", "claim_required")),
        ({"require": {"ext.level": 2}}, {"ext": {"level": 2}}, ("allow", "allowed")),
        ({"require": {"a.b": 2}}, {"a.b": 2, "a": {"b": 3}}, ("allow", "allowed")),
    ],
)
def test_a_required_claim_must_have_one_of_its_values(
    settings: dict[str, Any], claims: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert judged(active(**claims), **settings) == expected


@pytest.mark.parametrize(
    ("claim", "claims", "verdict"),
    [
        ("ext.username", {"ext": {"username": "alice"}}, "allow"),
        ("ext.username", {"ext": {"username": "bob"}}, "deny"),
        ("https://example.org/user", {"https://example.org/user": "alice"}, "allow"),
        ("ext.username", {"ext.username": "alice", "ext": {"username": "bob"}}, "allow"),
    ],
)
def test_the_owner_can_be_in_a_nested_claim(
    claim: str, claims: dict[str, Any], verdict: str
) -> None:
    assert judged(active(**claims), username_claim=claim)[0] == verdict


def test_a_whole_number_is_compared_as_text() -> None:
    assert judged(active(username=42), "42") == ("allow", "allowed")
    assert judged(active(username=42), "43") == ("deny", "another_user")


def test_a_missing_claim_suggests_the_claim_that_names_the_user() -> None:
    def detail(**claims: str) -> str:
        with Service(answering(http(200, json.dumps({"active": True, **claims})))) as service:
            command = Command(Operation.AUTH, "alice", "example.org", "a-token")
            return decide(command, kind="introspection", url=service.url).answer.detail

    assert "'sub' names this user" in detail(sub="alice")
    assert "names this user" not in detail(sub="bob")


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


@pytest.mark.parametrize(
    ("backend", "error"),
    [
        ({"kind": "userinfo", "client_id": "x"}, "client_id: the UserInfo endpoint gets no client"),
        ({"kind": "userinfo", "client_auth": "client_secret_post"}, "expected client_secret"),
        ({"kind": "userinfo", "issuer": "https://op"}, "expected url or issuer, not both"),
        (
            {"kind": "userinfo", "service_auth": {"kind": "bearer", "token": "x"}},
            "the Authorization header holds",
        ),
        (
            {
                "kind": "userinfo",
                "service_auth": {"kind": "header", "name": "authorization", "value": "x"},
            },
            "the Authorization header holds",
        ),
        (
            {
                "kind": "status",
                "service_auth": {"kind": "header", "name": "AUTHORIZATION", "value": "x"},
            },
            "the Authorization header holds",
        ),
        (
            {"kind": "introspection", "client_id": "x", "client_auth": "client_secret_post"},
            "client_secret",
        ),
        ({"kind": "status", "require": {"a": 1}}, "require: kind status has nothing"),
        (
            {"kind": "password_grant", "require": {"a": 1}},
            "require: kind password_grant has nothing",
        ),
    ],
)
def test_a_key_that_would_be_ignored_is_an_error(backend: dict[str, Any], error: str) -> None:
    with pytest.raises(ValidationError) as caught:
        settings_of(backend={"url": "https://op.example/x", **backend})
    assert error in str(caught.value)


def test_userinfo_sends_an_api_key_beside_the_token() -> None:
    key = {"kind": "header", "name": "apikey", "value": "k3y"}
    with Service(answering(http(200, '{"preferred_username": "alice"}'))) as service:
        command = Command(Operation.AUTH, "alice", "example.org", "a-token")
        assert decide(
            command, kind="userinfo", url=service.url, service_auth=key
        ).answer.reason == ("allowed")
        headers = service.requests[0].headers
    assert (headers["apikey"], headers["authorization"]) == ("k3y", "Bearer a-token")
