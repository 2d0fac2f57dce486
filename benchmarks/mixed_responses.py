"""A service that sometimes sends a second response: how many logins get a wrong verdict.

    .venv/bin/python -m benchmarks.mixed_responses

128,000 logins over 64 threads, every second one with a wrong password. About 715 responses are
followed by a second one, up to a millisecond later. It is run without protection, with
``reuse_connections = false``, and with a service that returns ``X-Request-ID``.
"""

import asyncio
import json
import multiprocessing
import random
import threading
import time
from collections import Counter
from multiprocessing.connection import Connection
from typing import Any

from extauth_http.backends.registry import backend_of_kind
from extauth_http.config.settings import Settings
from extauth_http.program.decider import Decider
from extauth_http.protocol.command import Command, Operation

LOGINS = 128_000
MEMBERS = 64
SECOND = 715 / LOGINS
"""The share of responses that a second one follows."""


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, echoes: bool) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
            body = await reader.readexactly(int(fields["content-length"]))
            text = json.dumps(json.loads(body)["password"].startswith("right"))
            echo = f"X-Request-ID: {fields['x-request-id']}\r\n" if echoes else ""
            response = (
                f"HTTP/1.1 200 OK\r\nContent-Length: {len(text)}\r\n{echo}\r\n{text}".encode()
            )
            writer.write(response)
            if random.random() < SECOND:
                await asyncio.sleep(random.random() / 1000)
                writer.write(response)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


def _serve(ready: Connection, echoes: bool) -> None:
    async def run() -> None:
        server = await asyncio.start_server(
            lambda reader, writer: _answer(reader, writer, echoes), "127.0.0.1", 0, backlog=512
        )
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


def _logins(decider: Decider, count: int, found: Counter[str], lock: threading.Lock) -> None:
    own: Counter[str] = Counter()
    for number in range(count):
        is_right = number % 2 == 0
        password = "right" if is_right else "wrong"
        command = Command(Operation.AUTH, "alice", "example.org", password)
        request_id = f"{threading.get_ident()}-{number}"
        answer = decider.decide(command, time.monotonic() + 20, request_id).answer
        expected = "allow" if is_right else "deny"
        verdict = answer.verdict.value
        own["as expected" if verdict == expected else f"{password} password: {verdict}"] += 1
    with lock:
        found.update(own)


def run(name: str, *, echoes: bool, **backend: Any) -> None:
    """Runs the logins and prints the counts."""
    receive, send = multiprocessing.Pipe()
    server = multiprocessing.Process(target=_serve, args=(send, echoes), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{receive.recv()}/xmpp"
    table = {"kind": "rest", "url": url, **backend}
    settings = Settings.model_validate({"backend": table}, context=backend_of_kind)
    decider, found, lock = Decider(settings), Counter[str](), threading.Lock()
    share = LOGINS // MEMBERS
    threads = [
        threading.Thread(target=_logins, args=(decider, share, found, lock)) for _ in range(MEMBERS)
    ]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    decider.close()
    server.terminate()
    print(f"{name} ({time.monotonic() - began:.0f} s): {dict(sorted(found.items()))}", flush=True)


if __name__ == "__main__":
    run("without protection", echoes=False)
    run("reuse_connections = false", echoes=False, reuse_connections=False)
    run("the service returns X-Request-ID", echoes=True)
    run("echo = X-Request-ID", echoes=True, echo="X-Request-ID")
