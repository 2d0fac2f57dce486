"""Situations of services that exist, each in a few lines of TOML.

A wrong password, the credential of somebody else, a wrong secret of ours and a broken answer let
nobody in.
"""

import json
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from extauth_http.program.decider import Decider
from extauth_http.protocol.command import Command, Operation
from tests.integration.service import Request, Service, http
from tests.settings import settings_of

KEY = "our-key"
WORDS = {"alice": "wonder:land", "bob": "bobs-word"}
OWNERS = {word: user for user, word in WORDS.items()}


def answer(status: int, body: object, *headers: str) -> bytes:
    return http(status, json.dumps(body), "Content-Type: application/json", *headers)


def body(request: Request) -> Any:
    return json.loads(request.body)


def form(request: Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.body.decode()).items()}


def query(request: Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(request.target).query).items()}


def from_json(request: Request) -> tuple[str, str]:
    return body(request)["user"], body(request)["password"]


def from_basic(request: Request) -> tuple[str, str]:
    user, _, word = b64decode(request.headers["authorization"].split()[1]).decode().partition(":")
    return user, word


def from_token(scheme: str) -> Callable[[Request], tuple[str, str]]:
    def read(request: Request) -> tuple[str, str]:
        word = request.headers["authorization"].removeprefix(f"{scheme} ")
        return OWNERS.get(word, "nobody"), word

    return read


def from_constants(request: Request) -> tuple[str, str]:
    sent = body(request)
    is_ours = sent["app"] == "xmpp" and sent["version"] == 2
    return (sent["u"], sent["p"]) if is_ours else ("nobody", "")


@dataclass(frozen=True)
class Situation:
    """``read`` finds user and password in a request. ``yes`` is the answer for a user."""

    operation: dict[str, Any]
    read: Callable[[Request], tuple[str, str]]
    yes: Callable[[str], bytes]
    no: bytes


def fixed(value: bytes) -> Callable[[str], bytes]:
    return lambda _: value


OK = {"status": 200}
SITUATIONS = {
    "a code in a nested object": Situation(
        {
            "allow": [{**OK, "field": "results.code", "equals": 200}],
            "deny": [{**OK, "field": "results.code", "equals": [401, 404]}],
        },
        from_json,
        fixed(answer(200, {"results": {"code": 200}})),
        answer(200, {"results": {"code": 401}}),
    ),
    "success is a number": Situation(
        {
            "allow": [{**OK, "field": "success", "equals": 1}],
            "deny": [{**OK, "field": "success", "equals": 0}],
        },
        from_json,
        fixed(answer(200, {"success": 1})),
        answer(200, {"success": 0}),
    ),
    "a status in words": Situation(
        {
            "allow": [{"field": "status", "equals": "ok"}],
            "deny": [{"field": "status", "equals": ["locked", "wrong"]}],
        },
        from_json,
        fixed(answer(200, {"status": "ok"})),
        answer(200, {"status": "wrong"}),
    ),
    "a token as the yes": Situation(
        {"allow": [{**OK, "field": "token", "present": True}], "deny": [{"status": 422}]},
        from_json,
        fixed(answer(200, {"token": "t"})),
        answer(422, {"errors": {"password": ["wrong"]}}),
    ),
    "400 for a wrong password": Situation(
        {"allow": [{**OK, "text": "true"}], "deny": [{"status": 400}]},
        from_json,
        fixed(answer(200, True)),
        answer(400, {"message": "wrong"}),
    ),
    "a constant field": Situation(
        {
            "json": {"app": "xmpp", "version": 2, "u": "{user}", "p": "{password}"},
            "allow": [{"status": 204}],
            "deny": [{"status": 404}],
        },
        from_constants,
        fixed(http(204)),
        answer(404, {}),
    ),
    "user@host in one field": Situation(
        {"form": {"login": "{jid}", "pw": "{password}"}, "deny": [{"status": 401}]},
        lambda request: (form(request)["login"].removesuffix("@example.org"), form(request)["pw"]),
        fixed(answer(200, True)),
        answer(401, {}),
    ),
    "nested JSON": Situation(
        {
            "json": {"auth": {"identity": {"name": "{user}", "secret": ["{password}"]}}},
            "deny": [{"status": 401}],
        },
        lambda request: (
            body(request)["auth"]["identity"]["name"],
            body(request)["auth"]["identity"]["secret"][0],
        ),
        fixed(answer(200, {"result": True})),
        answer(401, {}),
    ),
    "the user in the path": Situation(
        {
            "path": "realms/{host}/users/{user}/verify",
            "json": {"secret": "{password}"},
            "deny": [{"status": 404}, {"status": 403}],
        },
        lambda request: (unquote(request.target.split("/")[-2]), body(request)["secret"]),
        fixed(http(204)),
        answer(403, {}),
    ),
    "a query": Situation(
        {
            "method": "GET",
            "path": "check",
            "query": {"u": "{user}", "p": "{password}"},
            "allow": [{**OK, "text": ["OK", "YES"]}],
            "deny": [{**OK, "text": "NO"}],
        },
        lambda request: (query(request)["u"], query(request)["p"]),
        fixed(http(200, "OK\n")),
        http(200, "NO\n"),
    ),
    "Authorization: Token": Situation(
        {
            "method": "GET",
            "path": "me",
            "headers": {"Authorization": "Token {password}"},
            "allow": [{**OK, "field": "user.name", "present": True}],
            "deny": [{"status": 401}],
            "owner": {"field": "user.name", "equals": "{user}"},
        },
        from_token("Token"),
        lambda user: answer(200, {"user": {"name": user}}),
        answer(401, {}),
    ),
    "the owner in a header": Situation(
        {
            "method": "GET",
            "path": "me",
            "headers": {"Authorization": "Bearer {password}"},
            "allow": [{"status": "2xx"}],
            "deny": [{"status": 401}],
            "owner": {"header": "X-User", "equals": "{user}@{host}"},
        },
        from_token("Bearer"),
        lambda user: answer(200, {}, f"X-User: {user}@example.org"),
        answer(401, {}),
    ),
    "Basic authentication": Situation(
        {
            "method": "GET",
            "path": "me",
            "headers": {"Authorization": "Basic {basic}"},
            "allow": [{**OK, "field": "active", "equals": True}],
            "deny": [{"status": 401}],
        },
        from_basic,
        fixed(answer(200, {"active": True})),
        answer(401, {}),
    ),
    "a list of errors": Situation(
        {
            "allow": [{**OK, "field": "data.login.id", "present": True}],
            "deny": [{**OK, "field": "errors.0.extensions.code", "equals": "UNAUTHENTICATED"}],
        },
        from_json,
        fixed(answer(200, {"data": {"login": {"id": 7}}})),
        answer(200, {"data": None, "errors": [{"extensions": {"code": "UNAUTHENTICATED"}}]}),
    ),
    "a redirect": Situation(
        {
            "allow": [{"status": 302, "header": "Location", "equals": "/home"}],
            "deny": [{"status": 302, "header": "Location", "equals": "/login"}],
        },
        from_json,
        fixed(http(302, "", "Location: /home")),
        http(302, "", "Location: /login"),
    ),
    "a cookie": Situation(
        {
            "allow": [{**OK, "header": "Set-Cookie", "present": True}],
            "deny": [{**OK, "text": "<p>Wrong</p>"}],
        },
        from_json,
        fixed(http(200, "<p>Welcome</p>", "Set-Cookie: s=1")),
        http(200, "<p>Wrong</p>"),
    ),
}


class Scripted:
    def __init__(self, situation: Situation) -> None:
        self.situation = situation
        self.is_broken = False

    def __call__(self, request: Request, connection: Any) -> None:
        if request.headers.get("x-key") != KEY:
            found = answer(418, {"error": "unknown program"})
        elif self.is_broken:
            found = http(200, "<html>maintenance</html>")
        else:
            user, word = self.situation.read(request)
            found = self.situation.yes(user) if WORDS.get(user) == word else self.situation.no
        connection.sendall(found)


@pytest.fixture(params=SITUATIONS)
def scripted(request: pytest.FixtureRequest) -> Scripted:
    return Scripted(SITUATIONS[request.param])


@pytest.fixture
def service(scripted: Scripted) -> Iterator[Service]:
    with Service(scripted) as running:
        yield running


def verdict(
    service: Service, scripted: Scripted, user: str, word: str, key: str = KEY
) -> tuple[str, str]:
    table: dict[str, Any] = {"kind": "rest", "url": service.url, "headers": {"X-Key": key}}
    table |= {"refused": [{"status": 418}], "operations": {"auth": scripted.situation.operation}}
    decider = Decider(settings_of(backend=table))
    command = Command(Operation.AUTH, user, "example.org", word)
    found = decider.decide(command, time.monotonic() + 5, "id").answer
    decider.close()
    return found.verdict.value, found.reason


def test_the_right_person_and_nobody_else_gets_in(service: Service, scripted: Scripted) -> None:
    for user, word in WORDS.items():
        assert verdict(service, scripted, user, word) == ("allow", "allowed")
    assert verdict(service, scripted, "alice", "wrong")[0] == "deny"
    assert verdict(service, scripted, "alice", WORDS["bob"])[0] == "deny"
    assert verdict(service, scripted, "nobody", WORDS["bob"])[0] == "deny"


def test_a_wrong_key_of_ours_is_no_verdict(service: Service, scripted: Scripted) -> None:
    found = verdict(service, scripted, "alice", WORDS["alice"], key="another")
    assert found == ("undecided", "service_auth_refused")


def test_a_broken_answer_lets_nobody_in(service: Service, scripted: Scripted) -> None:
    scripted.is_broken = True
    found = verdict(service, scripted, "alice", WORDS["alice"])
    is_about_status = scripted.situation.operation.get("allow") == [{"status": "2xx"}]
    # Where the status is the yes, the owner must be named.
    expected = ("deny", "claim_empty") if is_about_status else ("undecided", "not_an_answer")
    assert found == expected
