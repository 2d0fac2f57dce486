"""The jsxc kind. openssl makes the signatures and tokens, not our own code."""

import json
import subprocess
import time
from typing import Any

import pytest

from extauth_http.protocol.command import Command, Operation
from tests.decide import decide
from tests.integration.service import Service, answering, http

SECRET = "an api secret of the app"


def openssl(*arguments: str, stdin: bytes) -> bytes:
    return subprocess.run(
        ["openssl", *arguments], input=stdin, capture_output=True, check=True
    ).stdout


def token(jid: str, expiry: int, secret: str = SECRET, version: int = 0) -> str:
    """A time-limited token, made with openssl as the protocol description says."""
    identity = openssl("dgst", "-sha256", "-binary", stdin=secret.encode())[:2]
    header = identity + expiry.to_bytes(4)
    challenge = bytes([version]) + header + jid.encode()
    mac = openssl("dgst", "-sha256", "-hmac", secret, "-binary", stdin=challenge)[:16]
    encoded = openssl("base64", "-A", stdin=bytes([version]) + mac + header).decode()
    for letter, readable in (("=", ""), ("O", "-"), ("I", "$"), ("l", "%")):
        encoded = encoded.replace(letter, readable)
    return encoded


def auth(password: str, user: str = "alice") -> Command:
    return Command(Operation.AUTH, user, "example.org", password)


def asked(command: Command, answer: Any, status: int = 200, **more: Any) -> tuple[str, str]:
    with Service(answering(http(status, json.dumps(answer)))) as service:
        found = decide(command, kind="jsxc", url=service.url, secret=SECRET, **more).answer
    return found.verdict.value, found.reason


NOAUTH = {"result": "noauth"}
LATER = int(time.time()) + 3600


def test_a_request_is_a_form_with_a_signature() -> None:
    with Service(answering(http(200, '{"result": "success"}'))) as service:
        command = auth("p&=ä:b")
        answer = decide(command, kind="jsxc", url=service.url, secret=SECRET).answer
        (request,) = service.requests
    assert answer.verdict.value == "allow"
    assert request.method == "POST"
    form = b"operation=auth&username=alice&domain=example.org&password=p%26%3D%C3%A4%3Ab"
    assert request.body == form
    signature = openssl("dgst", "-sha1", "-hmac", SECRET, "-binary", stdin=form).hex()
    assert request.headers["x-jsxc-signature"] == f"sha1={signature}"


@pytest.mark.parametrize(
    ("answer", "status", "expected"),
    [
        ({"result": "success"}, 200, ("allow", "allowed")),
        (NOAUTH, 200, ("deny", "denied")),
        ({"result": "error"}, 200, ("undecided", "not_an_answer")),
        ({"result": True}, 200, ("undecided", "not_an_answer")),
        ({}, 200, ("undecided", "not_an_answer")),
        (["success"], 200, ("undecided", "not_an_answer")),
        ({"result": "success"}, 201, ("undecided", "http_201")),
        (NOAUTH, 401, ("undecided", "http_401")),
        ({"result": "success"}, 500, ("undecided", "http_500")),
    ],
)
def test_the_result_of_the_app_is_the_verdict(
    answer: Any, status: int, expected: tuple[str, str]
) -> None:
    assert asked(auth("wonder"), answer, status) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"result": "success", "data": {"isUser": True}}, "allow"),
        ({"result": "success", "data": {"isUser": False}}, "deny"),
        ({"result": "success", "data": {"isUser": 1}}, "undecided"),
        ({"result": "success", "data": {}}, "undecided"),
        ({"result": "success"}, "undecided"),
        ({"result": "error", "data": {"isUser": True}}, "undecided"),
    ],
)
def test_is_user_of_the_app_is_the_verdict_of_isuser(answer: Any, expected: str) -> None:
    command = Command(Operation.ISUSER, "alice", "example.org")
    assert asked(command, answer)[0] == expected


def test_a_token_is_checked_without_a_request() -> None:
    with Service() as service:
        command = auth(token("alice@example.org", LATER))
        answer = decide(command, kind="jsxc", url=service.url, secret=SECRET).answer
        assert (answer.verdict.value, service.requests) == ("allow", [])


@pytest.mark.parametrize(
    "password",
    [
        token("alice@example.org", int(time.time()) - 1),
        token("bob@example.org", LATER),
        token("alice@b.example", LATER),
        token("alice@example.org", LATER, secret="another"),
        token("alice@example.org", LATER, version=1),
        token("alice@example.org", LATER)[:-1],
        token("alice@example.org", LATER) + "A",
        token("alice@example.org", LATER) + " ",
    ],
    ids=["expired", "bob's", "other host", "other secret", "version", "short", "long", "space"],
)
def test_a_token_that_is_not_valid_is_sent_as_a_password(password: str) -> None:
    assert asked(auth(password), NOAUTH) == ("deny", "denied")


def test_tokens_can_be_switched_off() -> None:
    password = token("alice@example.org", LATER)
    assert asked(auth(password), NOAUTH, tokens=False) == ("deny", "denied")


def test_an_old_password_is_refused_and_without_the_app_it_is_undecided() -> None:
    answers = answering(http(200, '{"result": "success"}'), http(200, json.dumps(NOAUTH)))
    with Service(answers) as service:
        backend: dict[str, Any] = {"kind": "jsxc", "url": service.url, "secret": SECRET}
        assert decide(auth("old"), **backend).answer.verdict.value == "allow"
        assert decide(auth("old"), **backend).answer.verdict.value == "deny"
    assert decide(auth("old"), **backend).answer.reason == "connect_refused"
