"""What bytes of a service are an answer, wherever the reads happen to cut them."""

import socket
import threading
import time

import pytest

from extauth_http.config.backend import BackendSettings
from extauth_http.config.tls import Tls
from extauth_http.http.client import HttpClientFactory
from extauth_http.http.connection import Connection, NoResponseError
from extauth_http.http.pool import ConnectionPool
from extauth_http.http.response import Response
from extauth_http.http.response_parser import MAX_BODY, ResponseParser
from extauth_http.protocol.command import Command, Operation
from extauth_http.protocol.verdict import UndecidedError
from tests.integration.service import YES, Request, Service

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
LENGTH = HEAD + b"Content-Length: 4\r\n\r\ntrue"
CHUNKS = (
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\ntr\r\n2;x=y\r\nue\r\n0\r\nX-Late: 1\r\n\r\n"
)
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + LENGTH


def taken_in(*pieces: bytes, head_only: bool = False) -> ResponseParser:
    answer = ResponseParser(head_only)
    for piece in pieces:
        answer.feed(piece)
    answer.release()
    return answer


@pytest.mark.parametrize("data", [LENGTH, CHUNKS, INTERIM], ids=["length", "chunks", "interim"])
def test_an_answer_is_the_same_wherever_it_is_cut(data: bytes) -> None:
    for cut in range(1, len(data)):
        answer = taken_in(data[:cut], data[cut:])
        assert (answer.status, answer.body(), answer.is_complete) == (200, b"true", True)
        assert answer.headers[0] == (b"content-type", b"application/json")
        assert {name for name, _ in answer.headers}.isdisjoint({b"link", b"x-late"})
        assert answer.allows_reuse
        assert not taken_in(data[:cut]).is_complete


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        (LENGTH, True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
        (LENGTH.replace(b"200 OK\r\n", b"200 OK\r\nConnection: Close\r\n"), False),
        (LENGTH.replace(b"1.1", b"1.0"), False),
        (LENGTH + b"\r\n" + LENGTH, False),
        (LENGTH + b"HTTP/1.1 200 OK\r\n", False),
        (LENGTH + b"rubbish", False),
    ],
)
def test_a_connection_is_kept_only_after_one_answer_and_nothing_more(
    data: bytes, kept: bool
) -> None:
    answer = taken_in(data)
    assert (answer.is_complete, answer.allows_reuse) == (True, kept)
    assert answer.body() in (b"true", b"")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "bad_http"),
        (b"HTTP/9.9 200 OK\r\n\r\n", "bad_http"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "bad_http"),
        (HEAD + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\ntrue", "bad_http"),
        (HEAD + b"Content-Length: -1\r\n\r\n", "bad_http"),
        (
            HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ntrue\r\n",
            "bad_http",
        ),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\ntrue\r\n", "bad_http"),
        (HEAD + b"No colon\r\n\r\n", "bad_http"),
        (HEAD + b"X: y\r\n folded\r\n\x00: z\r\n\r\n", "bad_http"),
        (HEAD + b"Content-Length: 999999\r\n\r\n" + b"x" * (MAX_BODY + 1), "too_large"),
        (HEAD + b"X: " + b"x" * (2 * MAX_BODY), "too_large"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 100_000, "too_large"),
    ],
)
def test_what_is_no_bounded_http_is_no_answer(data: bytes, reason: str) -> None:
    with pytest.raises(UndecidedError) as undecided:
        taken_in(data)
    assert undecided.value.reason == reason


def test_an_answer_to_head_has_no_body_whatever_it_says() -> None:
    answer = taken_in(HEAD + b"Content-Length: 4\r\n\r\n", head_only=True)
    assert (answer.is_complete, answer.body(), answer.allows_reuse) == (True, b"", False)


@pytest.fixture
def served() -> "socket.socket":
    return socket.create_server(("127.0.0.1", 0))


@pytest.mark.parametrize(
    ("said", "becomes"),
    [
        (HEAD + b"\r\ntrue", b"true"),
        (HEAD + b"Content-Length: 9\r\n\r\ntrue", "connection_lost"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\ntr", "connection_lost"),
        (HEAD, "connection_lost"),
        (b"", NoResponseError),
    ],
)
def test_where_the_connection_ends_decides_what_was_said(
    served: socket.socket, said: bytes, becomes: object
) -> None:
    def serve() -> None:
        connection, _ = served.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(said)

    service = threading.Thread(target=serve)
    service.start()
    line = Connection(time.monotonic() + 10)
    line.connect("127.0.0.1", served.getsockname()[1])
    try:
        heard: object = line.send(b"GET / HTTP/1.1\r\n\r\n").body()
    except UndecidedError as undecided:
        heard = undecided.reason
    except NoResponseError as unanswered:
        heard = type(unanswered)
    assert heard == becomes
    assert not line.is_reusable
    line.close()
    service.join()
    served.close()


def test_an_address_of_a_kind_that_the_machine_has_not_is_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A machine without IPv6 may still find such an address for a name."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        unknown = (socket.AF_IPX, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))
        known = socket.getaddrinfo("127.0.0.1", port, type=socket.SOCK_STREAM)
        found: list[object] = [unknown, *known]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        line = Connection(time.monotonic() + 10)
        line.connect("both.example", port)
        line.close()
        found[:] = [unknown]
        with pytest.raises(UndecidedError) as raised:
            line.connect("one.example", port)
        assert raised.value.reason == "connect_failed"


def test_an_answer_shows_its_status_alone() -> None:
    """What a token endpoint answers with is a credential."""
    answer = Response(200, [(b"x-token", b"hunter2")], b'{"access_token": "hunter2"}')
    assert repr(answer) == "Response(status_code=200)"


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (b"text/html; charset=utf-8", "text/html; charset=utf-8"),
        (b"", "no content type"),
        (b"x" * 100_000, "unreadable content type"),
        (b"text/\x9b31m", "unreadable content type"),
        (b"text/\x85html", "unreadable content type"),
    ],
)
def test_of_a_content_type_the_log_gets_a_short_line(kind: bytes, told: str) -> None:
    with pytest.raises(UndecidedError) as caught:
        Response(200, [(b"content-type", kind)], b"<html>").json()
    assert caught.value.detail == f"status 200, body is not JSON ({told})"


def test_connections_of_a_busy_moment_are_closed_though_one_of_them_is_used_on() -> None:
    together = threading.Barrier(3)

    def behave(request: Request, connection: socket.socket) -> None:
        if request.target.endswith("/together"):
            together.wait(10)
        connection.sendall(YES)

    with Service(behave) as service:
        pool = ConnectionPool(Tls())
        http = HttpClientFactory(BackendSettings(kind="rest"), lambda _: pool)

        def ask(path: str) -> None:
            command = Command(Operation.ISUSER, "alice", "example.org")
            exchange = http.for_command(command, time.monotonic() + 10, "a-request")
            assert exchange.get(service.url + path).status_code == 200

        asking = [threading.Thread(target=ask, args=("/together",)) for _ in range(3)]
        for each in asking:
            each.start()
        for each in asking:
            each.join()
        (idle,) = pool._idle.values()
        assert len(idle) == 3
        *unused, used = idle
        for line in unused:
            line._idle_until = 0.0
        for _ in range(3):
            ask("/alone")
        assert list(idle) == [used]
        assert {request.connection for request in service.requests} == {0, 1, 2}
        http.close()
