"""The rules for the claims of a token, scripted over real HTTP."""

import json
from typing import Any

import pytest

from extauth_http.protocol.command import Command, Operation
from tests.backends.test_token import active, judged
from tests.decide import decide
from tests.integration.service import Service, answering, http


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
