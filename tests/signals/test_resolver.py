"""The lookup of a user at the issuer: what it asks, and what it makes of the answer."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from extauth_http.signals.resolver import ResolveError, Resolver
from extauth_http.signals.subjects import OtherUserError
from tests.credentials import PASSWORD
from tests.integration.service import Request, Service, http
from tests.signals.issuers import settings


class Issuer:
    """The lookup and the token endpoint. ``answers`` maps a path to a response."""

    def __init__(self, **answers: bytes) -> None:
        self.answers = {f"/{path}": answer for path, answer in answers.items()}
        self.tokens = 0
        self.service = Service(self._answer)
        self.url = self.service.url.removesuffix("/x")

    def _answer(self, request: Request, connection: socket.socket) -> None:
        if request.target == "/token":
            self.tokens += 1
            body = json.dumps({"access_token": f"token-{self.tokens}", "expires_in": 300})
            connection.sendall(self.answers.get("/token", http(200, body)))
        else:
            connection.sendall(self.answers.get(request.target, http(404)))


@contextmanager
def lookup(issuer: Issuer, path: str = "{sub}", **more: Any) -> Iterator[Resolver]:
    resolve = {"url": f"{issuer.url}/{path}", **more}
    with issuer.service:
        resolver = Resolver(settings(claim="preferred_username", resolve=resolve))
        try:
            yield resolver
        finally:
            resolver.close()


def name(user: object) -> bytes:
    return http(200, json.dumps({"username": user}))


def problem(resolver: Resolver, **identifiers: str) -> str:
    with pytest.raises(ResolveError) as caught:
        resolver.user(identifiers or {"sub": "0f3a"})
    return str(caught.value)


def test_the_name_is_read_from_the_response() -> None:
    issuer = Issuer(**{"0f3a": name("Alice")})
    with lookup(issuer) as resolver:
        assert resolver.user({"sub": "0f3a"}) == "alice"
    with lookup(Issuer(**{"0f3a": name("a b")})) as resolver, pytest.raises(OtherUserError):
        resolver.user({"sub": "0f3a"})


@pytest.mark.parametrize(
    ("sub", "target"),
    [("a/b", "/a%2Fb"), ("a?b#c", "/a%3Fb%23c"), ("a b", "/a%20b"), ("../x", "/..%2Fx")],
)
def test_an_identifier_stays_one_segment_of_the_path(sub: str, target: str) -> None:
    issuer = Issuer(**{target[1:]: name("alice")})
    with lookup(issuer) as resolver:
        assert resolver.user({"sub": sub}) == "alice"


@pytest.mark.parametrize("sub", [".", ".."])
def test_an_identifier_that_would_change_the_path_is_not_sent(sub: str) -> None:
    issuer = Issuer()
    with lookup(issuer, "users/{sub}") as resolver:
        assert "cannot be a part of a URL" in problem(resolver, sub=sub)
    assert issuer.service.requests == []


def test_an_address_can_be_looked_up_in_the_query() -> None:
    issuer = Issuer(**{"users?email=alice%2Bx%40example.org": name("alice")})
    with lookup(issuer, "users?email={email}") as resolver:
        assert resolver.user({"email": "alice+x@example.org", "sub": "1"}) == "alice"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(http(404), "does not know the user", id="404"),
        pytest.param(http(500), "status 500", id="500"),
        pytest.param(http(302, "", "Location: /other"), "status 302", id="a redirect"),
        pytest.param(http(200, "[]"), "not a JSON object", id="a list"),
        pytest.param(http(200, "<html>"), "not a JSON object", id="a page"),
        pytest.param(http(200, "{}"), "has no username", id="nothing"),
        pytest.param(name(7), "has no username", id="a number"),
        pytest.param(name(""), "has no username", id="empty"),
        pytest.param(http(200, b"[" * 100_000), "not a JSON object", id="nested deeply"),
        pytest.param(b"nonsense\r\n\r\n", "bad_http", id="not HTTP"),
    ],
)
def test_anything_but_a_name_is_an_error(answer: bytes, expected: str) -> None:
    with lookup(Issuer(**{"0f3a": answer})) as resolver:
        assert expected in problem(resolver)


def test_a_fixed_account_is_sent_and_not_shown() -> None:
    issuer = Issuer()
    account = {"kind": "basic", "username": "admin", "password": PASSWORD}
    with lookup(issuer, service_auth=account) as resolver:
        assert PASSWORD not in problem(resolver)
    assert issuer.service.requests[0].headers["authorization"].startswith("Basic ")


CREDENTIALS = {"client_id": "xmpp signals", "client_secret": PASSWORD, "scope": "users"}


def test_an_access_token_is_used_until_it_is_refused() -> None:
    issuer = Issuer(**{"0f3a": name("alice"), "refused": http(401)})
    credentials = {**CREDENTIALS, "token_url": f"{issuer.url}/token"}
    with lookup(issuer, client_credentials=credentials) as resolver:
        for _ in range(3):
            assert resolver.user({"sub": "0f3a"}) == "alice"
        assert issuer.tokens == 1
        assert "status 401" in problem(resolver, sub="refused")
        resolver.user({"sub": "0f3a"})
    assert issuer.tokens == 2
    asked = next(each for each in issuer.service.requests if each.target == "/token")
    assert asked.body == b"grant_type=client_credentials&scope=users"


def test_a_token_endpoint_that_refuses_is_an_error_without_the_secret() -> None:
    issuer = Issuer(token=http(401, f'{{"error": "{PASSWORD}"}}'))
    credentials = {**CREDENTIALS, "token_url": f"{issuer.url}/token"}
    with lookup(issuer, client_credentials=credentials) as resolver:
        text = problem(resolver)
    assert text == "token_url answered with status 401"
