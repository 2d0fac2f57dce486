"""Which requests are rejected, with which answer, and that they cost little."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.admin.fake_ejabberd import FakeEjabberd
from tests.signals.running_service import BEARER, Provider, SignalsService
from tests.signals.tokens import CAEP, rsa_key

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SET = {"Content-Type": "application/secevent+jwt"}
AUTHORIZATION = {"Authorization": f"Bearer {BEARER}"}
ALICE = {"jid": "alice@example.org"}


@dataclass
class Parts:
    """What runs for all tests of this file."""

    service: SignalsService
    provider: Provider
    ejabberd: FakeEjabberd

    def post(
        self, path: str, body: bytes | str, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        return self.service.http.post(path, content=body, headers=headers or {})


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    folder = tmp_path_factory.mktemp("requests")
    with FakeEjabberd() as ejabberd, Provider() as provider:
        ejabberd.uptimes["phone"] = 3600
        with SignalsService(folder, ejabberd.url, provider.table()) as service:
            yield Parts(service, provider, ejabberd)


@pytest.fixture(autouse=True)
def _nothing_is_queued(parts: Parts) -> Iterator[None]:
    """A rejected message has no effect."""
    before = len(parts.service.entries())
    parts.ejabberd.sessions = {"alice@example.org": ["phone"]}
    yield
    assert len(parts.service.entries()) == before
    assert parts.ejabberd.sessions == {"alice@example.org": ["phone"]}


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        pytest.param("", FORM, id="empty"),
        pytest.param("logout_token=", FORM, id="an empty token"),
        pytest.param("logout_token=x", FORM, id="not a token"),
        pytest.param("token=x", FORM, id="another field"),
        pytest.param("&".join(["a=b"] * 100), FORM, id="many fields"),
        pytest.param(b"logout_token=\xff", FORM, id="not text"),
        pytest.param("{}", {"Content-Type": "application/json"}, id="JSON"),
        pytest.param("logout_token=x", {}, id="no type"),
    ],
)
def test_a_logout_request_of_another_form_is_400(
    parts: Parts, body: bytes | str, headers: dict[str, str]
) -> None:
    response = parts.post("/backchannel-logout", body, headers)
    assert response.status_code == 400
    assert response.json()["error"] == "invalid_request"
    assert response.headers["cache-control"] == "no-store"


def test_two_tokens_in_one_request_are_400(parts: Parts) -> None:
    tokens = [("logout_token", parts.provider.logout_token("alice")) for _ in range(2)]
    body = "&".join(f"{name}={value}" for name, value in tokens)
    assert parts.post("/backchannel-logout", body, FORM).status_code == 400


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"iss": "https://evil.example"}, "invalid_issuer", id="issuer"),
        pytest.param({"aud": "other"}, "invalid_audience", id="audience"),
        pytest.param({"iat": 1}, "invalid_request", id="old"),
        pytest.param({"sub_id": {"format": "uri", "uri": "x"}}, "invalid_request", id="subject"),
    ],
)
def test_the_error_of_a_security_event_is_that_of_rfc_8935(
    parts: Parts, changes: dict[str, Any], expected: str
) -> None:
    token = parts.provider.security_event("alice", f"{CAEP}session-revoked", **changes)
    response = parts.post("/events", token, SET)
    assert (response.status_code, response.json()["err"]) == (400, expected)
    assert response.headers["content-language"] == "en"


def test_a_signature_of_somebody_else_is_invalid_key(parts: Parts) -> None:
    with Provider(rsa_key()) as other:
        other.issuer = parts.provider.issuer
        token = other.security_event("alice", f"{CAEP}session-revoked")
    response = parts.post("/events", token, SET)
    assert (response.status_code, response.json()["err"]) == (400, "invalid_key")
    assert parts.post("/events", token, FORM).json()["err"] == "invalid_request"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": BEARER},
        {"Authorization": f"Basic {BEARER}"},
        {"Authorization": f"Bearer {BEARER}x"},
        {"Authorization": f"Bearer {BEARER[:-1]}"},
        {"Authorization": f"Bearer  {BEARER}"},
        {"Authorization": "Bearer"},
        {"Authorization": b"Bearer \xff\xfe"},
    ],
)
def test_a_wrong_bearer_token_is_401(parts: Parts, headers: dict[str, str]) -> None:
    response = parts.post("/revoke", json.dumps(ALICE), headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "null",
        "[" * 60_000,
        "{}",
        '{"jid": 7}',
        '{"jid": ""}',
        '{"jid": "alice"}',
        '{"jid": "alice@example.org/phone"}',
        '{"jid": "a@b@example.org"}',
        '{"user": "alice"}',
        '{"user": "alice@example.org", "host": ""}',
        '{"user": "alice@evil.example", "host": "example.org"}',
        '{"user": "alice", "host": "example.org", "jid": "bob@example.org"}',
        '{"jid": "alice@example.org", "id": "x y"}',
        '{"jid": "alice@example.org", "id": "' + "x" * 65 + '"}',
        '{"jid": "alice@example.org", "user_id": "x"}',
        '{"jid": "al\\ud800ice@example.org"}',
    ],
)
def test_a_webhook_of_another_form_is_400(parts: Parts, body: str) -> None:
    response = parts.post("/revoke", body, AUTHORIZATION)
    assert (response.status_code, "detail" in response.json()) == (400, True)


@pytest.mark.parametrize("path", ["/backchannel-logout", "/events", "/revoke"])
def test_a_body_that_is_too_long_is_413_and_not_read(parts: Parts, path: str) -> None:
    headers = {"/backchannel-logout": FORM, "/events": SET, "/revoke": AUTHORIZATION}[path]
    assert parts.post(path, b"x" * 70_000, headers).status_code == 413

    def endless() -> Iterator[bytes]:
        for _ in range(20_000):
            yield b"x" * 65_536

    try:
        response = parts.service.http.post(path, content=endless(), headers=headers)
        assert response.status_code == 413
    except httpx.WriteError:  # the answer came, and the connection was closed, before the end
        pass


@pytest.mark.parametrize("path", ["/backchannel-logout", "/events", "/revoke"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_another_method_is_405(parts: Parts, path: str, method: str) -> None:
    assert parts.service.http.request(method, path).status_code == 405


def test_a_body_that_does_not_arrive_ends_after_a_while(parts: Parts) -> None:
    with socket.create_connection(("127.0.0.1", parts.service.port), timeout=30) as connection:
        lines = ["POST /events HTTP/1.1", "Host: x", "Content-Type: application/secevent+jwt"]
        connection.sendall("\r\n".join([*lines, "Content-Length: 100", "", "half"]).encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 408 ")


def test_each_rejection_is_counted_and_few_are_logged(parts: Parts) -> None:
    before = parts.service.metric("rejected_total", reason="wrong_bearer", source="webhook")
    lines = len(parts.service.events("signal_rejected"))
    for _ in range(60):
        parts.service.revoke(ALICE, bearer="wrong")
    after = parts.service.metric("rejected_total", reason="wrong_bearer", source="webhook")
    assert after - before == 60
    # 20 lines in each of the few intervals of 10 s.
    assert len(parts.service.events("signal_rejected")) - lines < 60


def test_a_flood_of_unknown_keys_causes_few_retrievals(parts: Parts) -> None:
    retrievals = parts.provider.retrievals
    start = time.monotonic()
    with Provider(rsa_key("unknown")) as other:
        other.issuer = parts.provider.issuer
        tokens = [other.logout_token("alice") for _ in range(100)]

    def send(part: list[str]) -> None:
        with httpx.Client(base_url=parts.service.http.base_url, trust_env=False) as http:
            for each in part:
                response = http.post("/backchannel-logout", data={"logout_token": each})
                assert response.status_code in (400, 503)

    threads = [threading.Thread(target=send, args=(tokens[n::20],)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - start
    assert 1 <= parts.provider.retrievals - retrievals <= seconds + 2


def test_errors_name_no_value_of_the_message(parts: Parts) -> None:
    token = parts.provider.logout_token("alice", aud="secret-audience", nonce="secret-nonce")
    response = parts.service.logout(token)
    assert response.status_code == 400
    shown = response.text + json.dumps(parts.service.events("signal_rejected"))
    assert "secret-" not in shown
    assert token.split(".")[1] not in shown


def test_health_and_metrics_are_answered(parts: Parts, tmp_path: Path) -> None:
    assert parts.service.http.get("/healthz").text == "ok"
    text = parts.service.http.get("/metrics").text
    assert "extauth_http_signals_waiting 0.0" in text
    assert BEARER not in text
