"""A service that does to a connection exactly what a test says: real sockets, any bytes."""

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self


@dataclass(frozen=True)
class Request:
    """What came in. ``connection`` counts the connections, from 0."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = field(repr=False)
    connection: int

    def json(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.body)
        return found


Behaviour = Callable[[Request, socket.socket], None]
"""Answers a request on its connection, or does whatever else to it."""


def http(status: int, body: bytes | str = b"", *headers: str) -> bytes:
    """The bytes of an answer."""
    content = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(content)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + content


def answering(*answers: bytes) -> Behaviour:
    """Answers the requests with these, one after the other; the last one goes on."""
    left = list(answers)

    def behave(_: Request, connection: socket.socket) -> None:
        connection.sendall(left.pop(0) if len(left) > 1 else left[0])

    return behave


YES = http(200, "true")
NO = http(200, "false")


class Service:
    """Runs until the ``with`` ends. ``requests`` is what came in so far."""

    def __init__(
        self, behave: Behaviour | None = None, tls: ssl.SSLContext | None = None, port: int = 0
    ) -> None:
        self.behave = behave or answering(YES)
        self.requests: list[Request] = []
        self.connections: list[socket.socket] = []
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://localhost:{self.port}/x"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop_connections()

    def drop_connections(self) -> None:
        """Closes all connections, as a service does that restarts or is tired of idle ones."""
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
                connection.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.connections.append(connection)
                number = len(self.connections) - 1
                threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError, ValueError):
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection, connection.makefile("rb") as lines:
                while (request := _request(lines.readline, lines.read, number)) is not None:
                    self.requests.append(request)
                    self.behave(request, connection)


def _request(
    readline: Callable[[], bytes], read: Callable[[int], bytes], number: int
) -> Request | None:
    first = readline()
    if not first:
        return None
    method, target, _ = first.decode().split(" ")
    headers = {}
    while (line := readline().decode("latin-1").strip()) != "":
        name, _, value = line.partition(": ")
        headers[name.lower()] = value
    body = read(int(headers.get("content-length", "0")))
    return Request(method, target, headers, body, number)
