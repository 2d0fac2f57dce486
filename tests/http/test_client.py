"""What a backend sends through its HttpClient, and what becomes of failures."""

import contextlib
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from extauth_http.config.backend import BackendSettings
from extauth_http.config.service_auth import Bearer
from extauth_http.http.client import HttpClient, HttpClientFactory
from extauth_http.http.failure import RequestFailedError, undecided_of
from extauth_http.http.testing import http_client
from extauth_http.protocol.command import Command, Operation
from tests.integration.service import Request, Service, answering, http

AUTH = Command(Operation.AUTH, "alice", "example.org", "pass")
SETPASS = Command(Operation.SETPASS, "alice", "example.org", "pass")
TOKEN = Bearer.model_validate({"kind": "bearer", "token": "s3cret"})
SETTINGS = BackendSettings(kind="own", service_auth=TOKEN)


@contextlib.contextmanager
def connected(command: Command = AUTH, *, seconds: float = 10.0) -> Iterator[HttpClient]:
    factory = HttpClientFactory(SETTINGS)
    try:
        yield factory.for_command(command, time.monotonic() + seconds, "a-request")
    finally:
        factory.close()


def sent(method: str, url: str = "", **options: object) -> Request:
    """The request that a call of the method sends."""
    with Service() as service, connected() as own:
        getattr(own, method)(service.url + url, **options)
        return service.requests[0]


@pytest.mark.parametrize("method", ["get", "post", "put", "delete"])
def test_each_method_sends_what_its_arguments_say(method: str) -> None:
    request = sent(
        method,
        "?page=1",
        json={"name": "jürgen"},
        params={"q": "a&b"},
        headers={"X-Own": "1", "Accept": "text/plain"},
    )
    assert (request.method, request.target) == (method.upper(), "/x?page=1&q=a%26b")
    assert request.json() == {"name": "jürgen"}
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-own"] == "1"
    assert request.headers["authorization"] == "Bearer s3cret"
    assert request.headers["x-request-id"] == "a-request"
    assert request.headers["cache-control"] == "no-store"


def test_data_is_sent_as_a_form() -> None:
    request = sent("post", data={"user": "a&b", "pass": "=é"})
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.body == b"user=a%26b&pass=%3D%C3%A9"


def test_headers_may_be_pairs_and_service_auth_can_be_left_out() -> None:
    request = sent("get", headers=[("Authorization", "Bearer of-the-user")], service_auth=False)
    assert request.headers["authorization"] == "Bearer of-the-user"


@pytest.mark.parametrize(
    ("method", "length"), [("GET", None), ("DELETE", None), ("POST", "0"), ("PUT", "0")]
)
def test_an_empty_body_has_a_length_only_with_methods_that_expect_one(
    method: str, length: str | None
) -> None:
    with Service() as service, connected() as own:
        own.request(method, service.url)
        assert service.requests[0].headers.get("content-length") == length


def test_an_argument_that_does_not_exist_is_an_error() -> None:
    with connected() as own, pytest.raises(TypeError):
        own.post("http://127.0.0.1:1/", form={"user": "x"})  # type: ignore[call-arg]


@pytest.mark.parametrize("url", ["/relative", "ftp://h/", "http://user:pw@h/", ""])
def test_what_is_not_an_absolute_http_url_is_an_error(url: str) -> None:
    with connected() as own, pytest.raises(ValueError, match="expected a URL") as caught:
        own.get(url)
    assert "pw" not in str(caught.value)


def test_a_client_is_an_httpx_client_with_the_headers_of_the_command() -> None:
    with Service(answering(http(201, '{"a": 1}'))) as service, connected() as own:
        with own.client() as client:
            assert isinstance(client, httpx.Client)
            response = client.post(service.url, json={"b": 2}, headers={"X-Own": "1"})
        assert (response.status_code, response.json()) == (201, {"a": 1})
        assert own.status == 201
        (request,) = service.requests
        assert request.headers["authorization"] == "Bearer s3cret"
        assert request.headers["x-request-id"] == "a-request"
        assert request.headers["x-own"] == "1"
        with own.client(service_auth=False) as client:
            client.get(service.url)
        assert "authorization" not in service.requests[1].headers


def test_a_client_uses_the_connections_of_the_command_and_leaves_them_open() -> None:
    with Service() as service, connected() as own:
        for _ in range(3):
            with own.client() as client:
                client.post(service.url)
            own.post(service.url)
        assert {request.connection for request in service.requests} == {0}


def test_a_client_never_sends_a_write_on_a_kept_connection() -> None:
    with Service() as service, connected(SETPASS) as own, own.client() as client:
        for _ in range(3):
            client.get(service.url)
        assert {request.connection for request in service.requests} == {0, 1, 2}


def test_a_client_follows_no_redirect() -> None:
    with Service(answering(http(307, "", "Location: /x/elsewhere"))) as service:
        with connected() as own, own.client() as client:
            assert client.post(service.url).status_code == 307
        assert len(service.requests) == 1


@pytest.mark.parametrize("timeout", [60.0, None])
def test_a_client_keeps_the_deadline_of_the_command(timeout: float | None) -> None:
    def silent(_: Request, __: socket.socket) -> None:
        pass

    with (
        Service(silent) as service,
        connected(seconds=0.3) as own,
        own.client() as client,
    ):
        with pytest.raises(httpx.ReadTimeout) as caught:
            client.get(service.url, timeout=timeout)
        found = undecided_of(caught.value)
        assert found is not None
        assert found.reason == "deadline"
        with pytest.raises(httpx.ConnectTimeout):
            client.get(service.url)


def test_a_client_may_have_a_timeout_below_the_deadline() -> None:
    def silent(_: Request, __: socket.socket) -> None:
        pass

    with Service(silent) as service, connected(seconds=60) as own, own.client() as client:
        with pytest.raises(httpx.ReadTimeout):
            client.get(service.url, timeout=0.3)
        service.behave = answering(http(204))
        assert client.get(service.url).status_code == 204


def test_an_error_status_that_a_client_raises_has_its_reason() -> None:
    with Service(answering(http(503))) as service, connected() as own, own.client() as client:
        with pytest.raises(httpx.HTTPStatusError) as caught:
            client.get(service.url).raise_for_status()
        found = undecided_of(caught.value)
        assert found is not None
        assert (found.reason, found.detail) == ("http_503", "the service answered with status 503")


def test_an_error_from_elsewhere_has_no_reason() -> None:
    assert undecided_of(ValueError("x")) is None
    assert undecided_of(httpx.ConnectError("from another client")) is None


def test_a_mock_transport_sees_what_the_service_would() -> None:
    seen: list[httpx.Request] = []

    def service(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"ok": True}, headers={"X-Owner": "alice"})

    own = http_client(httpx.MockTransport(service), SETTINGS, AUTH)
    response = own.post("https://service.example/a%2Fb?x=1", json={"user": "alice"})
    assert (response.status_code, response.json()) == (200, {"ok": True})
    assert response.headers["x-owner"] == "alice"
    with own.client() as client:
        assert client.get("https://service.example/").json() == {"ok": True}
    first, second = seen
    assert str(first.url) == "https://service.example/a%2Fb?x=1"
    assert first.headers["authorization"] == second.headers["authorization"] == "Bearer s3cret"
    assert first.content == b'{"user": "alice"}'


@pytest.mark.parametrize(
    ("raised", "reason", "may_have_arrived"),
    [
        (httpx.ConnectError, "connect_failed", False),
        (httpx.ConnectTimeout, "deadline", False),
        (httpx.ReadTimeout, "deadline", True),
        (httpx.ReadError, "connection_lost", True),
        (httpx.RemoteProtocolError, "bad_http", True),
    ],
)
def test_a_mock_transport_can_fail_as_a_service_does(
    raised: type[httpx.TransportError], reason: str, may_have_arrived: bool
) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise raised("x")

    own = http_client(httpx.MockTransport(fail), SETTINGS, AUTH)
    with pytest.raises(RequestFailedError) as caught:
        own.get("http://service.example/")
    assert (caught.value.reason, caught.value.may_have_arrived) == (reason, may_have_arrived)
    with own.client() as client, pytest.raises(httpx.TransportError) as from_client:
        client.get("http://service.example/")
    found = undecided_of(from_client.value)
    assert found is not None
    assert found.reason == reason


def test_a_mock_transport_is_not_called_after_the_deadline() -> None:
    def service(_: httpx.Request) -> httpx.Response:
        raise AssertionError

    own = http_client(httpx.MockTransport(service), SETTINGS, AUTH, seconds=0)
    with pytest.raises(RequestFailedError) as caught:
        own.get("http://service.example/")
    assert caught.value.reason == "deadline"
