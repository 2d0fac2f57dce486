"""Logins through a real ejabberd: ``check_password`` over its API, several at a time."""

import asyncio
import json
import shlex
import socket
import time
from dataclasses import dataclass

from tests.e2e.ejabberd import Ejabberd


@dataclass(frozen=True, slots=True)
class Run:
    """The result of some logins: how many were allowed, in how many seconds."""

    logins: int
    allowed: int
    seconds: float

    @property
    def rate(self) -> float:
        """Logins per second."""
        return self.allowed / self.seconds


def ejabberd(command: list[str], pool: int) -> Ejabberd:
    """A server whose pool members run this command."""
    server = Ejabberd(shlex.join(command), extauth_pool_size=pool)
    server.config["listen"][0]["backlog"] = 1024  # the default of 23.01 is 5
    return server


def log_in(server: Ejabberd, logins: int, at_once: int) -> Run:
    return asyncio.run(_log_in(server.api_port, logins, at_once))


async def _log_in(port: int, logins: int, at_once: int) -> Run:
    waiting = iter(range(logins))
    allowed = 0

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal allowed
        connection = writer.get_extra_info("socket")
        for number in waiting:
            body = json.dumps(
                {"user": f"u{number}", "host": "example.org", "password": "x" * 60}
            ).encode()
            head = (
                f"POST /api/check_password HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            writer.write(head.encode() + body)
            # ejabberd sends a response in two segments, and the second only after the first was
            # acknowledged. Without this option the kernel delays that by 40 ms.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            answer = (await reader.readuntil(b"\r\n\r\n")).lower()
            size = int(answer.partition(b"content-length: ")[2].split(b"\r\n")[0])
            allowed += (await reader.readexactly(size)).strip() == b"0"
        writer.close()

    # One after the other: the listener of ejabberd queues five connections, and any other client
    # tries again after a second.
    connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(at_once)]
    started = time.perf_counter()
    await asyncio.gather(*(client(*connection) for connection in connections))
    return Run(logins, allowed, time.perf_counter() - started)
