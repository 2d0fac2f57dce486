"""No credential is shown, whatever the service does with it."""

import base64
import json
import socket
import time
from urllib.parse import quote

import pytest

from extauth_http.backends.request_trace import Trace, TracedRequest, TracingPool
from extauth_http.check.login import Login
from extauth_http.check.report import as_json
from extauth_http.check.service import probe
from extauth_http.config.backend import BackendSettings
from extauth_http.config.endpoint import Endpoint
from extauth_http.http.request import Request
from extauth_http.protocol.verdict import UndecidedError
from extauth_http.terminal.masking import MASK
from tests.credentials import CREDENTIALS, PASSWORD, shown
from tests.integration.service import Request as Received
from tests.integration.service import Service, answering, http
from tests.settings import settings_of

TYPE = "Content-Type: application/json"
BASE64 = base64.b64encode(PASSWORD.encode()).decode()
LATIN = quote(PASSWORD)

REFLECTING = [
    http(200, json.dumps({"result": True, "password": PASSWORD}), TYPE),
    http(200, json.dumps({"result": True, PASSWORD: True}), TYPE),
    http(200, json.dumps({"result": True, "hunter2": True}), TYPE),
    http(200, json.dumps({"result": True, BASE64: None}), TYPE),
    http(200, json.dumps({"result": True, "message": f"hello {PASSWORD}!"}), TYPE),
    http(200, json.dumps({"result": True, "x": [{"y": [BASE64, PASSWORD[::-1]]}]}), TYPE),
    http(200, json.dumps({"result": True, "user": PASSWORD}), TYPE),
    http(200, "true", f"Content-Type: {LATIN}"),
    http(200, "true", f"Content-Type: application/{LATIN}+json"),
    http(200, "true", "Content-Type: hunter2"),
    http(200, "true", "Content-Type: application/hunter2+json; charset=utf-8"),
    http(200, "true", TYPE, f"X-Password: {LATIN}"),
    http(200, PASSWORD, TYPE),
    http(200, f"{LATIN}=1", TYPE),
    http(200, PASSWORD, f"Content-Type: text/plain; charset={LATIN}"),
    http(200, json.dumps(PASSWORD), TYPE),
    http(200, f'{{"result": {PASSWORD}', TYPE),
    http(302, "", f"Location: https://elsewhere.example/?p={LATIN}"),
    http(500, PASSWORD, TYPE),
    http(401, json.dumps({"error": PASSWORD, "error_description": BASE64}), TYPE),
    http(
        200, json.dumps({"active": True, "username": PASSWORD, "preferred_username": BASE64}), TYPE
    ),
    http(
        200,
        json.dumps({"active": True, "username": LATIN, "preferred_username": LATIN}),
        TYPE,
    ),
    f"HTTP/1.1 200 {LATIN}\r\nContent-Length: 4\r\n\r\ntrue".encode(),
    f"HTTP/1.1 {LATIN}\r\n\r\n".encode(),
    PASSWORD.encode(),
]
KINDS = ["rest", "mongooseim", "jsxc", "password_grant", "userinfo", "introspection", "status"]
SECRET = "0123456789abcdef0123456789abcdef"


def report_of(settings: dict[str, object], password: str) -> str:
    login = Login("alice", "example.org", password)
    usable = settings_of(backend=settings)
    found = list(probe.findings(usable, ["example.org"], login))
    assert any("backend-user" in each.id or "undecided" in each.id for each in found)
    return as_json([("", found)])[0] + str(found)


@pytest.mark.parametrize("answer", REFLECTING)
@pytest.mark.parametrize(
    "operations",
    [
        {},
        {"auth": {"form": {"user": "{user}", "password": "{password}"}}},
        {"auth": {"query": {"user": "{user}", "password": "{password}"}}},
        {"auth": {"headers": {"X-Secret": "{password}"}, "json": {"user": "{jid}"}}},
    ],
)
def test_a_password_that_the_service_returns_is_not_shown(
    answer: bytes, operations: dict[str, object]
) -> None:
    with Service(answering(answer)) as service:
        settings: dict[str, object] = {"kind": "rest", "url": service.url, "operations": operations}
        for password in (PASSWORD, "hunter2"):
            text = report_of(settings, password)
            assert not shown(text.encode())
            assert PASSWORD[::-1] not in text
            assert "hunter2" not in text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("answer", REFLECTING)
def test_no_kind_of_backend_shows_a_credential(kind: str, answer: bytes) -> None:
    def behave(request: Received, connection: socket.socket) -> None:
        """The service knows the password of a login when it receives it, not before."""
        is_made_up = b"extauth-check" in request.body + request.target.encode()
        connection.sendall(http(401) if is_made_up else answer)

    with Service(behave) as service:
        own = {"secret": SECRET} if kind == "jsxc" else {}
        auth = {"kind": "header", "name": "X-Key", "value": SECRET}
        text = report_of({"kind": kind, "url": service.url, "service_auth": auth, **own}, PASSWORD)
    assert not shown(text.encode())
    assert SECRET not in text


def test_a_secret_of_the_configuration_that_the_service_returns_is_not_shown() -> None:
    owner = json.dumps({"active": True, "username": f"x{SECRET[4:]}"})
    with Service(answering(http(200, owner, TYPE))) as service:
        auth = {"kind": "header", "name": "X-Key", "value": SECRET}
        settings: dict[str, object] = {"kind": "introspection", "url": service.url}
        text = report_of({**settings, "service_auth": auth}, PASSWORD)
    assert SECRET[4:12] not in text
    assert "owner found:    not shown" in text


def test_each_member_is_shown_when_several_names_are_masked() -> None:
    members = '{"result": false, "a": 1000, "b": true, "c": null}'
    with Service(answering(http(200, members, TYPE))) as service:
        text = report_of({"kind": "rest", "url": service.url}, PASSWORD)
    assert f'"result": false, "{MASK}": "{MASK}", "{MASK} (2)": true, "{MASK} (3)": null' in text


def test_a_word_of_a_specification_is_shown() -> None:
    refused = '{"error": "invalid_grant", "error_description": "nope"}'
    with Service(answering(http(400, refused, TYPE))) as service:
        text = report_of({"kind": "password_grant", "url": service.url}, PASSWORD)
    assert f'"error": "invalid_grant", "error_description": "{MASK}"' in text


@pytest.mark.parametrize("name", ["userinfo_endpoint", "token_endpoint"])
def test_the_path_of_the_issuer_and_the_endpoints_that_discovery_finds_are_shown(name: str) -> None:
    def behave(request: Received, connection: socket.socket) -> None:
        issuer = f"{service.url}/realms/staff"
        document = {"issuer": issuer, name: f"{issuer}/protocol/me", "motto": "/hunter2"}
        found = request.target.endswith("openid-configuration")
        connection.sendall(http(200, json.dumps(document), TYPE) if found else http(401))

    with Service(behave) as service:
        issuer = f"{service.url}/realms/staff"
        text = report_of({"kind": "userinfo", "issuer": issuer}, "hunter2")
    if name == "userinfo_endpoint":
        assert f"GET {issuer}/protocol/me" in text
    else:
        assert f"GET {issuer}/.well-known/openid-configuration" in text
        assert f'"issuer": "{issuer}", "{name}": "{issuer}/protocol/me", "{MASK}": "{MASK}"' in text
    assert not shown(text.encode())


def test_the_public_parts_of_request_and_response_are_shown() -> None:
    with Service(answering(http(200, '{"result": true, "why": "x"}', TYPE))) as service:
        text = report_of({"kind": "rest", "url": service.url}, PASSWORD)
    sent = f'{{"user": "alice", "host": "example.org", "password": "{MASK}"}}'
    assert f"request: POST {service.url}/auth {sent}" in text
    assert f'response: 200 application/json: {{"result": true, "{MASK}": "{MASK}"}}' in text


def test_the_path_that_a_plugin_builds_is_masked() -> None:
    trace = Trace(public={"alice"})
    http = TracingPool(BackendSettings(kind="own"), trace)
    url = Endpoint.parse("http://127.0.0.1:1/auth/alice/hunter2?p=hunter2")
    with pytest.raises(UndecidedError):
        http.send(Request(b"GET", url, []), time.monotonic() + 5, may_repeat=False)
    sent = f"GET http://127.0.0.1:1/auth/alice/{MASK}?{MASK}"
    assert trace.requests == [TracedRequest(sent, "none")]


def test_the_credentials_are_those_that_every_test_run_searches_for() -> None:
    assert {PASSWORD, "hunter2"} <= set(CREDENTIALS)
