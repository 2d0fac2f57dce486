"""An ordinary httpx.Client over the transport, against real servers that fail at each step."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from extauth_http.config.tls import Tls
from extauth_http.http.failure import Step, failure_of
from extauth_http.http.transport import client
from tests.integration.certificates import certificates
from tests.integration.service import YES, Behaviour, Request, Service, answering, http

SECONDS = 0.4
"""The timeout of a call that is expected to time out. Each server here would take minutes, which
the time limit of a test does not allow."""


def dripping(data: bytes) -> Behaviour:
    """Sends a byte every 50 ms, which is more often than any timeout of one step."""

    def behave(_: Request, connection: socket.socket) -> None:
        for byte in data:
            connection.sendall(bytes([byte]))
            time.sleep(0.05)

    return behave


def silent(_: Request, __: socket.socket) -> None:
    """Never answers."""


@contextlib.contextmanager
def full_listener() -> Iterator[str]:
    """A port at which no new connection is accepted."""
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        port = full.getsockname()[1]
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(("127.0.0.1", port))
        yield f"http://127.0.0.1:{port}/"


def timed_out(url: str, **options: object) -> httpx.TimeoutException:
    with client(timeout=SECONDS) as http, pytest.raises(httpx.TimeoutException) as caught:
        http.request(**{"method": "POST", "url": url, **options})  # type: ignore[arg-type]
    failure = failure_of(caught.value)
    assert failure is not None
    assert failure.reason == "deadline"
    return caught.value


@pytest.mark.parametrize(
    "behave",
    [
        silent,
        dripping(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000),
        dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n" + b" " * 4000),
        dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 1000),
        dripping(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    ],
    ids=["silence", "headers", "body", "chunks", "interim responses"],
)
def test_one_timeout_covers_the_whole_response(behave: Behaviour) -> None:
    with Service(behave) as service:
        error = timed_out(service.url)
        assert isinstance(error, httpx.ReadTimeout)
        assert failure_of(error).may_have_arrived  # type: ignore[union-attr]


def test_the_timeout_covers_connecting() -> None:
    with full_listener() as url:
        error = timed_out(url)
    assert isinstance(error, httpx.ConnectTimeout)
    assert not failure_of(error).may_have_arrived  # type: ignore[union-attr]


def test_the_timeout_covers_the_tls_handshake() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        error = timed_out(f"https://127.0.0.1:{mute.getsockname()[1]}/")
    assert isinstance(error, httpx.ConnectTimeout)
    assert "TLS" in str(error)


def test_the_timeout_covers_the_name_lookup(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = socket.getaddrinfo
    is_over = threading.Event()

    def getaddrinfo(host: str, port: int, **options: int) -> object:
        if not options.get("flags"):
            is_over.wait()
        return resolver(host, port, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    error = timed_out("http://localhost/")
    is_over.set()
    assert isinstance(error, httpx.ConnectTimeout)
    assert "name" in str(error)


@pytest.mark.parametrize("with_tls", [False, True])
def test_the_timeout_covers_sending(with_tls: bool, tmp_path: Path) -> None:
    """The server reads the request so slowly that no single write waits for long."""
    made = certificates(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        port = listener.getsockname()[1]

        is_over = threading.Event()

        def read_slowly() -> None:
            connection, _ = listener.accept()
            if with_tls:
                connection = made.good.wrap_socket(connection, server_side=True)
            with contextlib.suppress(OSError), connection:
                while connection.recv(16384) and not is_over.wait(0.05):
                    pass

        reader = threading.Thread(target=read_slowly)
        reader.start()
        url = f"{'https' if with_tls else 'http'}://localhost:{port}/"
        with client(timeout=5 * SECONDS, tls=Tls(ca_file=made.ca_file)) as slow:
            with pytest.raises(httpx.WriteTimeout) as caught:
                slow.post(url, content=b"x" * (16 << 20))
            failure = failure_of(caught.value)
            assert failure is not None
            assert (failure.reason, failure.step) == ("deadline", Step.SEND)
            assert failure.may_have_arrived
        is_over.set()
        reader.join()


@pytest.mark.parametrize(
    ("sent", "error", "reason"),
    [
        (b"", httpx.RemoteProtocolError, "connection_lost"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", httpx.RemoteProtocolError, "connection_lost"),
        (http(200, "true")[:-1], httpx.RemoteProtocolError, "connection_lost"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", httpx.RemoteProtocolError, "bad_http"),
        (http(200, "true", "Content-Encoding: gzip"), httpx.DecodingError, "content_encoding"),
        (http(200, b"x" * 2000), httpx.ReadError, "too_large"),
    ],
)
def test_a_failed_response_has_its_reason_and_may_have_been_executed(
    sent: bytes, error: type[httpx.RequestError], reason: str
) -> None:
    def behave(request: Request, connection: socket.socket) -> None:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_RDWR)

    with Service(behave) as service, client(timeout=10, max_body=1000) as own:
        with pytest.raises(error) as caught:
            own.post(service.url, json={})
        failure = failure_of(caught.value)
        assert failure is not None
        assert (failure.reason, failure.may_have_arrived) == (reason, True)
        assert len(service.requests) == 1


def test_what_cannot_have_reached_the_server_is_a_connect_or_protocol_error(
    tmp_path: Path,
) -> None:
    made = certificates(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = listener.getsockname()[1]
    with Service(tls=made.expired) as service, client(timeout=10) as own:
        cases: list[tuple[str, dict[str, str], type[httpx.RequestError], str]] = [
            (f"http://127.0.0.1:{closed}/", {}, httpx.ConnectError, "connect_refused"),
            ("http://name.invalid/", {}, httpx.ConnectError, "name_not_found"),
            (service.url, {}, httpx.ConnectError, "tls"),
            ("ftp://127.0.0.1/", {}, httpx.LocalProtocolError, "bad_request"),
            (service.url, {"X": "a\r\nY: b"}, httpx.LocalProtocolError, "bad_request"),
        ]
        for url, headers, error, reason in cases:
            with pytest.raises(error) as caught:
                own.get(url, headers=headers)
            failure = failure_of(caught.value)
            assert failure is not None
            assert (failure.reason, failure.may_have_arrived) == (reason, False)
        assert service.requests == []


def test_a_response_is_that_of_httpx(tmp_path: Path) -> None:
    made = certificates(tmp_path)
    body = '{"result": "jürgen"}'.encode()
    answer = http(201, body, "Content-Type: application/json", "X-A: 1", "X-A: 2")
    with (
        Service(answering(answer), tls=made.good) as service,
        client(
            timeout=10,
            tls=Tls(ca_file=made.ca_file),
            base_url=f"{service.url}/",
            headers=[(b"Authorization", b"Bearer s3cret")],
        ) as own,
    ):
        response = own.post("users", json={"name": "x"}, params={"page": "2"})
        assert response.status_code == 201
        assert response.json() == {"result": "jürgen"}
        assert response.headers.get_list("x-a") == ["1", "2"]
        (seen,) = service.requests
        assert (seen.method, seen.target) == ("POST", "/x/users?page=2")
        assert seen.headers["host"] == f"localhost:{service.port}"
        assert seen.headers["authorization"] == "Bearer s3cret"
        assert seen.headers["accept-encoding"] == "identity"
        assert seen.json() == {"name": "x"}


def test_a_streamed_request_has_a_length_and_a_response_can_be_streamed() -> None:
    with Service(answering(http(200, "one\ntwo"))) as service, client(timeout=10) as own:
        with own.stream("POST", service.url, content=iter([b"tr", b"ue"])) as response:
            assert list(response.iter_lines()) == ["one", "two"]
        (seen,) = service.requests
        assert seen.headers["content-length"] == "4"
        assert "transfer-encoding" not in seen.headers
        assert seen.body == b"true"


def test_a_redirect_is_not_followed() -> None:
    moved = http(302, "", "Location: /elsewhere")
    with Service(answering(moved)) as service, client(timeout=10) as own:
        assert own.get(service.url).status_code == 302
        assert len(service.requests) == 1


def test_a_large_response_is_accepted_up_to_the_limit() -> None:
    body = b"x" * (3 << 20)
    with Service(answering(http(200, body))) as service:
        with client(timeout=30, max_body=len(body)) as own:
            assert own.get(service.url).content == body
        with client(timeout=30, max_body=len(body) - 1) as own, pytest.raises(httpx.ReadError):
            own.get(service.url)


@pytest.mark.parametrize(
    ("keep", "method", "connections"),
    [
        (True, "GET", {0}),
        (True, "POST", {0, 1, 2}),
        (False, "GET", {0, 1, 2}),
    ],
)
def test_only_a_safe_method_uses_a_kept_connection(
    keep: bool, method: str, connections: set[int]
) -> None:
    with Service() as service, client(timeout=10, keep_connections=keep) as own:
        for _ in range(3):
            own.request(method, service.url)
        assert {request.connection for request in service.requests} == connections


def test_the_proxy_of_the_environment_is_used_only_with_trust_env(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Service(answering(YES)) as proxy, Service(answering(http(403))) as service:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        for trust_env, status in ((False, 403), (True, 200)):
            with client(timeout=10, trust_env=trust_env) as own:
                assert own.get(service.url).status_code == status
        assert len(service.requests) == len(proxy.requests) == 1
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        proxy.behave = answering(http(407))
        with client(timeout=10, trust_env=True) as own, pytest.raises(httpx.ProxyError) as caught:
            own.get("https://service.example/")
        assert failure_of(caught.value).reason == "proxy"  # type: ignore[union-attr]


def test_neither_an_error_nor_the_log_holds_what_was_sent(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with Service(answering(b"rubbish")) as service, client(timeout=10) as own:
        with pytest.raises(httpx.RemoteProtocolError) as caught:
            own.post(service.url, params={"p": "hunter2"}, json={"password": "hunter2"})
        service.behave = answering(YES)
        own.get(service.url, params={"p": "hunter2"})
    assert "hunter2" not in f"{caught.value!r} {caught.value} {caught.value.__cause__!r}"
    assert "hunter2" not in caplog.text
