"""A header that may occur once is sent once, whoever sets it."""

import time
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from extauth_http.config.service_auth import Header
from extauth_http.http.client import HttpClient, HttpClientFactory
from extauth_http.http.failure import RequestFailedError, failure_of
from extauth_http.protocol.command import Command, Operation
from tests.integration.service import Service
from tests.settings import settings_of

COMMAND = Command(Operation.AUTH, "alice", "example.org", "secret")
AUTH = {"kind": "bearer", "token": "ours"}


def client_of(service: Service) -> tuple[HttpClientFactory, HttpClient]:
    backend = {"kind": "rest", "url": service.url, "service_auth": AUTH}
    factory = HttpClientFactory(settings_of(backend=backend).backends()["backend"])
    return factory, factory.for_command(COMMAND, time.monotonic() + 5, "id-1")


REFUSED: list[Any] = [
    {"Host": "elsewhere.example"},
    {"host": "elsewhere.example"},
    {"Content-Length": "0"},
    {"Transfer-Encoding": "chunked"},
    {"Connection": "upgrade"},
    {"X-Request-ID": "another"},
    {"Authorization": "Bearer theirs"},
    {"AUTHORIZATION": "Bearer theirs"},
    [("Accept", "a"), ("accept", "b")],
]


@pytest.mark.parametrize("headers", REFUSED)
def test_a_backend_cannot_set_a_header_that_is_already_sent(headers: Any) -> None:
    with Service() as service:
        factory, http = client_of(service)
        with pytest.raises(RequestFailedError) as caught:
            http.post(service.url, json={}, headers=headers)
        factory.close()
        assert (caught.value.reason, service.requests) == ("bad_request", [])


def test_a_backend_can_replace_the_headers_that_describe_the_content() -> None:
    with Service() as service:
        factory, http = client_of(service)
        own = {"accept": "text/plain", "Content-Type": "application/vnd.example+json"}
        http.post(service.url, json={}, headers=own)
        factory.close()
        headers = service.requests[0].headers
    assert headers["accept"] == "text/plain"
    assert headers["content-type"] == "application/vnd.example+json"
    assert headers["authorization"] == "Bearer ours"


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "elsewhere.example"},
        [("Authorization", "a"), ("authorization", "b")],
        [("X-Request-ID", "a"), ("X-Request-ID", "b")],
        [("Content-Type", "a"), ("Content-Type", "b")],
    ],
)
def test_an_httpx_client_cannot_send_a_second_one_either(headers: Any) -> None:
    with Service() as service:
        factory, http = client_of(service)
        with http.client() as client, pytest.raises(httpx.RequestError) as caught:
            client.post(service.url, json={}, headers=headers)
        factory.close()
        failure = failure_of(caught.value)
        assert failure is not None
        assert (failure.reason, service.requests) == ("bad_request", [])


@pytest.mark.parametrize(
    ("table", "error"),
    [
        ({"kind": "bearer", "token": ""}, "token"),
        ({"kind": "bearer", "token": " x"}, "token"),
        ({"kind": "bearer", "token": "x\ny"}, "token"),
        ({"kind": "basic", "username": "", "password": "x"}, "username"),
        ({"kind": "basic", "username": "a:b", "password": "x"}, "username"),
        ({"kind": "header", "name": "X Key", "value": "x"}, "name"),
        ({"kind": "header", "name": "", "value": "x"}, "name"),
        ({"kind": "header", "name": "X-Key", "value": ""}, "value"),
        ({"kind": "header", "name": "X-Key", "value": "x\r\nHost: y"}, "value"),
        *(
            ({"kind": "header", "name": name, "value": "x"}, "name")
            for name in ("Host", "host", "Content-Length", "Transfer-Encoding", "CONNECTION")
        ),
    ],
)
def test_service_auth_that_cannot_be_sent_is_an_error_that_names_the_key(
    table: dict[str, str], error: str
) -> None:
    backend = {"kind": "rest", "url": "http://127.0.0.1/x", "service_auth": table}
    with pytest.raises(ValidationError) as caught:
        settings_of(backend=backend)
    assert error in str(caught.value)
    assert "ours" not in str(caught.value)


def test_a_header_of_the_service_is_accepted() -> None:
    assert Header.model_validate(
        {"kind": "header", "name": "X-Api-Key", "value": "k"}
    ).headers() == [(b"X-Api-Key", b"k")]
