"""The way to a service: its name and its addresses."""

import socket
import threading
from typing import Any

import pytest

from extauth_http.check.service import reachability
from tests.check.findings import bad, ids, one
from tests.check.service.services import ALICE, found_of
from tests.integration.service import Service
from tests.settings import settings_of


def test_a_refused_connection_and_an_unknown_name_are_different_findings() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    refused = found_of(f"http://127.0.0.1:{port}/x", ALICE)
    assert ids(refused) == {"backend-unreachable"}
    assert "refused" in refused[0].found
    nameless = found_of("http://nowhere.invalid/x", ALICE)
    assert ids(nameless) == {"backend-name"}
    assert "nowhere.invalid" in nameless[0].found


def test_one_of_two_addresses_that_drops_packets_is_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connect = socket.create_connection

    def drop(address: tuple[str, int], timeout: float) -> socket.socket:
        """Dropping real packets needs a firewall rule."""
        if address[0] == "192.0.2.1":
            raise TimeoutError
        return connect(address, timeout)

    look_up = socket.getaddrinfo

    def two(host: str, port: int, *_: object, **__: object) -> list[object]:
        if host != "localhost":
            return list(look_up(host, port, type=socket.SOCK_STREAM))
        return [(0, 0, 0, "", (each, port)) for each in ("192.0.2.1", "127.0.0.1")]

    with Service() as service:
        settings = settings_of(backend={"kind": "rest", "url": service.url}).backend
        assert settings
        (endpoint,) = settings.endpoints()
        monkeypatch.setattr(socket, "create_connection", drop)
        monkeypatch.setattr(socket, "getaddrinfo", two)
        found = list(reachability.findings(endpoint.origin, settings, "backend", 1.0))
    assert bad(found) == {"backend-address"}
    assert "192.0.2.1: timeout" in one(found, "backend-address").found


def test_a_silent_name_server_does_not_block_the_check_longer_than_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    is_over = threading.Event()
    look_up = socket.getaddrinfo

    def silent(host: str, *arguments: Any, **more: Any) -> Any:
        if host != "silent.example":
            return look_up(host, *arguments, **more)
        if more.get("flags") == socket.AI_NUMERICHOST:
            raise socket.gaierror
        is_over.wait(60)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    found = found_of("http://silent.example/x", ALICE, deadline=0.2)
    assert not is_over.is_set()
    is_over.set()
    assert ids(found) == {"backend-name"}
    assert "did not resolve within the deadline, 0.2 s" in found[0].found


def test_a_service_that_connects_is_good() -> None:
    with Service() as service:
        assert "backend-connects" in ids(found_of(service.url))
