"""A service at a Unix socket: ``http+unix://%2Frun%2Fapp.sock/path``."""

import json
import socket
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from extauth_http.backends.request_trace import Trace, TracingPool
from extauth_http.check.service import reachability
from extauth_http.config.endpoint import Endpoint
from extauth_http.protocol.command import Command, Operation
from tests.decide import decide
from tests.integration.service import Service, answering, http, silent
from tests.settings import settings_of

ALICE = Command(Operation.AUTH, "alice", "example.org", "pass")
CLAIMS = http(200, json.dumps({"active": True, "username": "alice", "sub": "alice"}))


def url_of(path: Path) -> str:
    return f"http+unix://{quote(str(path), safe='')}/x"


@pytest.mark.parametrize(
    ("backend", "answer"),
    [
        ({"kind": "rest"}, http(200, "true")),
        ({"kind": "mongooseim"}, http(200, "true")),
        ({"kind": "status"}, http(204)),
        ({"kind": "userinfo", "username_claim": "sub"}, CLAIMS),
        ({"kind": "introspection"}, CLAIMS),
        ({"kind": "password_grant", "client_id": "x"}, http(200, '{"access_token": "t"}')),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_each_kind_can_ask_a_service_at_a_unix_socket(
    tmp_path: Path, backend: dict[str, Any], answer: bytes
) -> None:
    with Service(answering(answer), path=tmp_path / "app.sock") as service:
        decision = decide(ALICE, url=service.url, **backend)
        assert decision.answer.verdict.value == "allow"
        (request,) = service.requests
        assert request.target.startswith("/x")
        assert request.headers["host"] == "localhost"


def test_the_environment_has_no_proxy_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("all_proxy", "http://127.0.0.1:9")
    with Service(path=tmp_path / "app.sock") as service:
        decision = decide(ALICE, kind="rest", url=service.url, trust_env=True)
    assert decision.answer.verdict.value == "allow"


def test_a_socket_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    missing = decide(ALICE, kind="rest", url=url_of(path)).answer
    assert (missing.reason, missing.detail) == (
        "connect_refused",
        f"the socket {path}: does not exist",
    )
    with socket.socket(socket.AF_UNIX) as closed:
        closed.bind(str(path))
    refused = decide(ALICE, kind="rest", url=url_of(path)).answer
    assert (refused.reason, refused.detail) == (
        "connect_refused",
        f"nothing listens at the socket {path}",
    )


def test_a_request_waits_while_the_queue_of_the_socket_is_full(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(0)
        waiting = socket.socket(socket.AF_UNIX)
        waiting.connect(str(path))
        full = decide(ALICE, kind="rest", url=url_of(path), seconds=0.5).answer
        assert full.reason == "deadline"

        def accept_all() -> None:
            time.sleep(0.2)
            for _ in range(2):
                connection, _ = listening.accept()
                with connection:
                    if connection.recv(1000):
                        connection.sendall(http(200, "true"))

        waiting.close()
        accepting = threading.Thread(target=accept_all)
        accepting.start()
        assert decide(ALICE, kind="rest", url=url_of(path)).answer.verdict.value == "allow"
        accepting.join()


def test_a_silent_service_does_not_outlast_the_deadline(tmp_path: Path) -> None:
    with Service(silent, path=tmp_path / "app.sock") as service:
        decision = decide(ALICE, kind="rest", url=service.url, seconds=0.3)
    assert decision.answer.reason == "deadline"


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http+unix://run/app.sock", "the percent-encoded absolute path"),
        ("http+unix:///run/app.sock", "the percent-encoded absolute path"),
        ("http+unix:/run/app.sock", "the percent-encoded absolute path"),
        ("http+unix://%2Frun%2Fapp.sock:80/", "the percent-encoded absolute path"),
        ("http+unix://%2Frun%2F/", "the percent-encoded absolute path"),
        ("http+unix://%2Frun%00/", "cannot be parsed|the percent-encoded absolute path"),
        ("http+unix://me:secret@%2Frun%2Fa/", "without user and password"),
        (f"http+unix://%2F{'a' * 107}/", "at most 107 bytes"),
    ],
)
def test_a_url_that_names_no_socket_is_an_error(url: str, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        Endpoint.parse(url, unix=True)


def test_only_the_configuration_can_name_a_socket(tmp_path: Path) -> None:
    """A discovery document comes from the network, and so may the URL of a plugin."""
    path = tmp_path / "app.sock"
    with pytest.raises(ValueError, match="starts with http:// or https://"):
        Endpoint.parse(url_of(path))
    with Service(path=path) as local, Service() as provider:
        issuer = f"http://localhost:{provider.port}"
        document = {"issuer": issuer, "userinfo_endpoint": local.url}
        provider.behave = answering(http(200, json.dumps(document)))
        answer = decide(ALICE, kind="userinfo", issuer=issuer).answer
    assert (answer.reason, local.requests) == ("discovery", [])


def test_it_is_not_reported_as_clear_text(tmp_path: Path) -> None:
    settings = settings_of(backend={"kind": "rest", "url": url_of(tmp_path / "app.sock")})
    assert settings.warnings() == []


def test_check_connects_to_the_socket_and_shows_its_path(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    backend = settings_of(backend={"kind": "rest", "url": url_of(path)}).backend
    assert backend
    (endpoint,) = backend.endpoints()
    (found,) = reachability.findings(endpoint.origin, backend, "backend", 1.0)
    assert found.id == "backend-unreachable"
    assert f"the socket {path}: No such file" in found.found
    with Service(path=path) as service:
        (found,) = reachability.findings(endpoint.origin, backend, "backend", 1.0)
        assert found.id == "backend-connects"
        trace = Trace()
        decide_with(backend, trace)
    assert f"POST {service.url}/auth" in trace.lines[0]


def decide_with(backend: Any, trace: Trace) -> None:
    from extauth_http.http.client import HttpClientFactory

    factory = HttpClientFactory(backend, lambda settings: TracingPool(settings, trace))
    http_client = factory.for_command(ALICE, time.monotonic() + 5, "id")
    http_client.post(backend.url.below("auth"), json={})
    factory.close()
