"""An HTTP service that sends the bytes that a test chooses, over real sockets."""

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import quote


@dataclass(frozen=True)
class Request:
    """A request. ``connection`` is the number of its connection, from 0."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = field(repr=False)
    connection: int

    def json(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.body)
        return found


Behaviour = Callable[[Request, socket.socket], None]
"""Answers a request on its connection, or does anything else with the connection."""


def http(status: int, body: bytes | str = b"", *headers: str) -> bytes:
    """The bytes of a response."""
    content = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(content)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + content


def answering(*answers: bytes) -> Behaviour:
    """Sends these responses one after the other, and repeats the last one."""
    left = list(answers)

    def behave(_: Request, connection: socket.socket) -> None:
        connection.sendall(left.pop(0) if len(left) > 1 else left[0])

    return behave


def sending(data: bytes, *, then_close: bool = True) -> Behaviour:
    """Sends these bytes and closes the connection."""

    def behave(_: Request, connection: socket.socket) -> None:
        connection.sendall(data)
        if then_close:
            connection.shutdown(socket.SHUT_RDWR)

    return behave


def silent(_: Request, __: socket.socket) -> None:
    """Never answers."""


RESET_ON_CLOSE = b"\x01\x00\x00\x00\x00\x00\x00\x00"
"""The value of ``SO_LINGER`` with which a closed connection is reset."""

YES = http(200, "true")
NO = http(200, "false")


class Service:
    """A service until the end of the ``with``. ``requests`` are those received so far."""

    def __init__(
        self,
        behave: Behaviour | None = None,
        tls: ssl.SSLContext | None = None,
        port: int = 0,
        path: Path | None = None,
    ) -> None:
        """``path`` is a Unix socket, which is used instead of a port."""
        self.behave = behave or answering(YES)
        self.requests: list[Request] = []
        self.connections: list[socket.socket] = []
        self._tls = tls
        if path:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(path))
            self._listener.listen(64)
            self.url = f"http+unix://{quote(str(path), safe='')}/x"
            return
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
        """Closes all connections, as a service does when it restarts."""
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
                connection.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                if connection.family != socket.AF_UNIX:
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
