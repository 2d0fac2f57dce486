"""The owner of a token: every form that a claim can have.

The responses are scripted over real HTTP, because no real provider sends all of these.
"""

import json
import time
from typing import Any

import pytest
from pydantic import ValidationError

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
            assert decision.backend == "rest", "the log names the kind that was asked"
    auth = decide(
        Command(Operation.AUTH, "alice", "example.org", "tok"),
        kind="userinfo",
        url="http://127.0.0.1:1/",
        isuser=table,
    )
    assert auth.backend == "userinfo"


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
