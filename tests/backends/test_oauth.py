"""introspection, userinfo and password_grant, against a real provider (django-oauth-toolkit)."""

from collections.abc import Iterator
from typing import Any

import pytest

from extauth_http.protocol.command import Command, Operation
from tests.decide import decide
from tests.servers.oauth_provider import CLIENT_ID, CLIENT_SECRET, OAuthProvider, oauth_provider

CLIENT = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}


@pytest.fixture(scope="module")
def provider() -> Iterator[OAuthProvider]:
    with oauth_provider() as running:
        yield running


def settings(kind: str, provider: OAuthProvider, **more: Any) -> dict[str, Any]:
    place = {"introspection": "introspect/", "userinfo": "userinfo/", "password_grant": "token/"}
    client = {} if kind == "userinfo" else CLIENT
    return {"kind": kind, "url": f"{provider.issuer}/{place[kind]}", **client, **more}


def login(password: str, user: str = "alice", **backend: Any) -> tuple[str, str]:
    decision = decide(Command(Operation.AUTH, user, "example.org", password), **backend)
    return decision.answer.verdict.value, decision.answer.reason


TOKEN_KINDS = ["introspection", "userinfo"]
GONE = {"introspection": "inactive", "userinfo": "http_401"}


@pytest.mark.parametrize("kind", TOKEN_KINDS)
def test_a_token_is_accepted_for_its_owner_until_it_is_revoked(
    kind: str, provider: OAuthProvider
) -> None:
    backend = settings(kind, provider)
    token = provider.token("alice")
    assert login(token, **backend) == ("allow", "allowed")
    provider.revoke(token)
    assert login(token, **backend) == ("deny", GONE[kind])
    assert login(provider.token("alice"), **backend) == ("allow", "allowed")


@pytest.mark.parametrize("kind", TOKEN_KINDS)
def test_a_token_of_another_user_is_refused(kind: str, provider: OAuthProvider) -> None:
    assert login(provider.token("bob"), **settings(kind, provider)) == ("deny", "another_user")


@pytest.mark.parametrize("kind", TOKEN_KINDS)
def test_an_expired_or_made_up_token_is_refused(kind: str, provider: OAuthProvider) -> None:
    backend = settings(kind, provider)
    assert login(provider.token("alice", seconds=-1), **backend) == ("deny", GONE[kind])
    assert login("made-up", **backend) == ("deny", GONE[kind])


def test_a_token_without_the_required_scope_is_refused(provider: OAuthProvider) -> None:
    backend = settings("introspection", provider, scope="xmpp profile")
    assert login(provider.token("alice", "profile"), **backend) == ("deny", "scope_missing")
    enough = provider.token("alice", "openid profile xmpp")
    assert login(enough, **backend) == ("allow", "allowed")
    # This provider shows no claims to a token without the scope openid.
    refused = login(provider.token("alice", "profile"), **settings("userinfo", provider))
    assert refused == ("deny", "http_401")


def test_a_token_without_an_audience_is_refused_if_one_is_required(
    provider: OAuthProvider,
) -> None:
    backend = settings("introspection", provider, audience="xmpp")
    assert login(provider.token("alice"), **backend) == ("deny", "wrong_audience")


def test_the_owner_can_be_an_email_address(provider: OAuthProvider) -> None:
    backend = settings("userinfo", provider, username_claim="email", username_match="{user}@{host}")
    token = provider.token("alice", "openid profile email")
    # This provider does not say whether an address is verified.
    assert login(token, **backend) == ("deny", "claim_required")
    backend["require"] = {"email_verified": []}
    assert login(token, **backend) == ("allow", "allowed")
    assert login(provider.token("alice"), **backend) == ("deny", "claim_missing")


def test_a_refused_client_is_undecided(
    provider: OAuthProvider,
) -> None:
    for kind in ("introspection", "password_grant"):
        backend = settings(kind, provider, client_secret="wrong")
        assert login("wonder:land", **backend) == ("undecided", "service_auth_refused")


@pytest.mark.parametrize("how", ["client_secret_basic", "client_secret_post"])
def test_the_client_authenticates_as_configured(how: str, provider: OAuthProvider) -> None:
    backend = settings("password_grant", provider, client_auth=how)
    assert login("wonder:land", **backend) == ("allow", "allowed")


def test_a_password_is_checked_at_the_token_endpoint(provider: OAuthProvider) -> None:
    backend = settings("password_grant", provider)
    assert login("wonder:land", **backend) == ("allow", "allowed")
    assert login("wrong", **backend) == ("deny", "invalid_grant")
    assert login("wonder:land", user="nobody", **backend) == ("deny", "invalid_grant")
    provider.set_password("alice", "n3w")
    assert login("wonder:land", **backend) == ("deny", "invalid_grant")
    assert login("n3w", **backend) == ("allow", "allowed")
    provider.set_password("alice", "wonder:land")


def test_the_token_of_a_password_is_revoked(provider: OAuthProvider) -> None:
    before = provider.valid_tokens("bob")
    there = f"{provider.issuer}/revoke_token/"
    backend = settings("password_grant", provider, revocation_url=there)
    assert login("wonder:land", user="bob", **backend) == ("allow", "allowed")
    assert provider.valid_tokens("bob") == before
    backend = settings("password_grant", provider, revocation_url=f"{provider.issuer}/absent")
    decision = decide(Command(Operation.AUTH, "bob", "example.org", "wonder:land"), **backend)
    assert decision.answer.verdict.value == "allow"
    assert decision.answer.detail == "the token could not be revoked: http_404"
    assert decision.status == 200


@pytest.mark.parametrize("kind", ["userinfo", "password_grant"])
def test_endpoints_are_found_by_discovery(kind: str, provider: OAuthProvider) -> None:
    client = {} if kind == "userinfo" else CLIENT
    backend = {"kind": kind, "issuer": provider.issuer, **client}
    password = "wonder:land" if kind == "password_grant" else provider.token("alice")
    assert login(password, **backend) == ("allow", "allowed")


def test_an_endpoint_that_is_missing_in_the_discovery_document_is_undecided(
    provider: OAuthProvider,
) -> None:
    backend = {"kind": "introspection", "issuer": provider.issuer, **CLIENT}
    assert login("x", **backend) == ("undecided", "discovery")


@pytest.mark.parametrize("kind", ["introspection", "userinfo", "password_grant"])
def test_without_the_provider_a_login_is_undecided(kind: str) -> None:
    with oauth_provider() as provider:
        backend = settings(kind, provider)
        password = "wonder:land" if kind == "password_grant" else provider.token("alice")
        assert login(password, **backend) == ("allow", "allowed")
    assert login(password, **backend) == ("undecided", "connect_refused")
    client = {} if kind == "userinfo" else CLIENT
    by_issuer = {**client, "kind": kind, "issuer": provider.issuer}
    assert login(password, **by_issuer) == ("undecided", "connect_refused")
