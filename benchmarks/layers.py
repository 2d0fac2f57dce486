"""What each layer of HTTP costs: ``python -m benchmarks.layers`` prints one table.

All layers send the same request to the same service on loopback, over one kept connection each, in
rounds that take turns.
"""

import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import httpx

from benchmarks.page import table
from benchmarks.pool import HERE, connects, until
from extauth_http.config.backend import BackendSettings
from extauth_http.config.endpoint import Endpoint
from extauth_http.config.tls import Tls
from extauth_http.http.client import HttpClientFactory
from extauth_http.http.deadline_connection import Connection
from extauth_http.http.pool import ConnectionPool
from extauth_http.http.request import encode_body, serialize_request
from extauth_http.http.transport import PoolTransport, client
from extauth_http.protocol.command import Command, Operation

ROUNDS, REQUESTS = 20, 500
SECONDS = 3600.0
COMMAND = Command(Operation.AUTH, "alice", "example.org", "x" * 60)
FIELDS = {"user": COMMAND.user, "host": COMMAND.host, "password": COMMAND.password}

Call = Callable[[], bytes]
"""Sends one request and returns the body of the response."""


def main() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    service = subprocess.Popen([sys.executable, str(HERE / "service.py"), str(port), "0"])
    try:
        until(lambda: connects(socket.AF_INET, ("127.0.0.1", port)))
        medians = measure(layers(port))
    finally:
        service.terminate()
        service.wait()
    least = min(medians.values())
    rows = [
        (name, f"{seconds * 1e6:.0f} µs", f"{seconds / least:.2f}")
        for name, seconds in medians.items()
    ]
    print(table(("one request and its response", "median", "to the first"), rows))


def layers(port: int) -> dict[str, Call]:
    url = f"http://127.0.0.1:{port}/auth"
    endpoint = Endpoint.parse(url)
    due = time.monotonic() + SECONDS
    connection = Connection(due)
    connection.connect("127.0.0.1", port)
    factory = HttpClientFactory(BackendSettings(kind="rest"))
    http = factory.for_command(COMMAND, due, "0123456789abcdef")
    # A GET, which may use a kept connection: the service does not distinguish.
    transport = PoolTransport(ConnectionPool(Tls()))
    whole = client(timeout=8)
    plain = httpx.Client(timeout=8, trust_env=False)

    def over_connection() -> bytes:
        body, content_type = encode_body(FIELDS, None)
        headers = [
            (b"Host", endpoint.host_header),
            (b"Content-Type", content_type),
            (b"Content-Length", str(len(body)).encode()),
        ]
        request = serialize_request(b"POST", endpoint.target, headers, body)
        return connection.send(request).body()

    def over_transport() -> bytes:
        return transport.handle_request(httpx.Request("GET", url, json=FIELDS)).read()

    return {
        "the connection": over_connection,
        "`HttpClient`, which backends use": lambda: http.post(endpoint, json=FIELDS).content,
        "the httpx transport, without a client": over_transport,
        "a whole `httpx.Client` over the transport": lambda: (
            whole.request("GET", url, json=FIELDS).content
        ),
        "a whole `httpx.Client` of its own": lambda: plain.post(url, json=FIELDS).content,
    }


def measure(calls: dict[str, Call]) -> dict[str, float]:
    """The median seconds of each call."""
    for call in calls.values():
        for _ in range(REQUESTS):
            assert call() == b'{"result": true}'
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            for _ in range(REQUESTS):
                started = time.perf_counter()
                call()
                found[name].append(time.perf_counter() - started)
    return {name: statistics.median(seconds) for name, seconds in found.items()}


if __name__ == "__main__":
    main()
