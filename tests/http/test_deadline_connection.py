"""One connection: its addresses, the end of a response, and how it acknowledges segments."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest

from extauth_http.config.tls import Tls
from extauth_http.http.deadline_connection import Connection, NoResponseError
from extauth_http.protocol.verdict import UndecidedError
from tests.integration.certificates import certificates

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@contextlib.contextmanager
def accepted() -> Iterator[tuple[Connection, socket.socket]]:
    """A connection and the socket at its other end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connection = Connection(time.monotonic() + 10)
        connection.connect("127.0.0.1", listener.getsockname()[1])
        other_end, _ = listener.accept()
        with other_end, contextlib.closing(connection):
            yield connection, other_end


@pytest.mark.parametrize(
    ("sent", "outcome"),
    [
        (HEAD + b"\r\ntrue", b"true"),
        (HEAD + b"Content-Length: 9\r\n\r\ntrue", "connection_lost"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\ntr", "connection_lost"),
        (HEAD, "connection_lost"),
        (b"", NoResponseError),
    ],
)
def test_the_end_of_the_connection_ends_a_body_without_a_length_and_nothing_else(
    sent: bytes, outcome: object
) -> None:
    with accepted() as (connection, other_end):

        def serve() -> None:
            other_end.recv(65536)
            other_end.sendall(sent)
            other_end.shutdown(socket.SHUT_RDWR)

        service = threading.Thread(target=serve)
        service.start()
        try:
            found: object = connection.send(REQUEST).body()
        except UndecidedError as undecided:
            found = undecided.reason
        except NoResponseError as error:
            found = type(error)
        service.join()
        assert found == outcome
        assert not connection.is_reusable


def test_an_address_that_cannot_be_used_does_not_hide_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The lookup of a name may find an IPv6 address on a machine without IPv6."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        unknown = (socket.AF_IPX, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))
        known = socket.getaddrinfo("127.0.0.1", port, type=socket.SOCK_STREAM)
        found: list[object] = [unknown, *known]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        connection = Connection(time.monotonic() + 10)
        connection.connect("both.example", port)
        connection.close()
        found[:] = [unknown]
        with pytest.raises(UndecidedError) as raised:
            connection.connect("one.example", port)
        assert raised.value.reason == "connect_failed"


class RecordingSocket:
    """A socket that keeps a list of the calls that matter for acknowledgements."""

    def __init__(self, wrapped: socket.socket, calls: list[str]) -> None:
        self._wrapped = wrapped
        self._calls = calls

    def send(self, data: bytes) -> int:
        self._calls.append("send")
        return self._wrapped.send(data)

    def recv(self, size: int) -> bytes:
        data = self._wrapped.recv(size)
        self._calls.append(f"recv {len(data)}")
        return data

    def setsockopt(self, level: int, option: int, value: int) -> None:
        if (level, option, value) == (socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1):
            self._calls.append("quickack")
        self._wrapped.setsockopt(level, option, value)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wrapped, name)


def calls_of(connection: Connection, other_end: socket.socket, *segments: bytes) -> list[str]:
    """The calls of two requests whose responses arrive in these segments, one per read."""
    calls: list[str] = []
    wrapped = cast(socket.socket, connection._socket)
    connection._socket = cast(socket.socket, RecordingSocket(wrapped, calls))

    def serve() -> None:
        reads = 0
        for _ in range(2):
            other_end.recv(65536)
            for segment in segments:
                other_end.sendall(segment)
                reads += 1
                while sum(call.startswith("recv") for call in calls) < reads:
                    time.sleep(0.001)

    service = threading.Thread(target=serve)
    service.start()
    for _ in range(2):
        assert connection.send(REQUEST).body() == b"true"
    service.join()
    return calls


SEGMENTS = (HEAD + b"Content-Length: 4\r\n\r\n", b"tr", b"ue")
READS = [f"recv {len(segment)}" for segment in SEGMENTS]


def test_a_segment_that_does_not_complete_a_response_is_acknowledged_at_once() -> None:
    """The option is set each time: Linux resets it."""
    once = ["send", READS[0], "quickack", READS[1], "quickack", READS[2]]
    with accepted() as (connection, other_end):
        assert calls_of(connection, other_end, *SEGMENTS) == [*once, *once]


def test_a_response_in_one_segment_costs_no_acknowledgement() -> None:
    response = b"".join(SEGMENTS)
    once = ["send", f"recv {len(response)}"]
    with accepted() as (connection, other_end):
        assert calls_of(connection, other_end, response) == [*once, *once]


def test_with_tls_the_segments_of_the_first_record_are_acknowledged_at_once_too(
    tmp_path: Path,
) -> None:
    made = certificates(tmp_path)
    once = ["send", "quickack", READS[0], "quickack", READS[1], "quickack", READS[2]]
    with accepted() as (connection, other_end):
        with ThreadPoolExecutor() as pool:
            accepting = pool.submit(made.good.wrap_socket, other_end, server_side=True)
            connection.start_tls(Tls(ca_file=made.ca_file).context(), "localhost")
        with accepting.result() as encrypted:
            assert calls_of(connection, encrypted, *SEGMENTS) == [*once, *once]
