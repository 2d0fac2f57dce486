"""Which connections are kept, for how long, and how many."""

import contextlib
import socket
import threading
import time

import pytest

from extauth_http.config.endpoint import Endpoint
from extauth_http.config.tls import Tls
from extauth_http.http.deadline_connection import Connection
from extauth_http.http.pool import ConnectionPool
from extauth_http.http.request import Request as HttpRequest
from tests.integration.service import YES, Request, Service


def get(pool: ConnectionPool, url: str, *, may_repeat: bool = True) -> int:
    endpoint = Endpoint.parse(url)
    request = HttpRequest(b"GET", endpoint, [(b"Host", endpoint.host_header)])
    return pool.send(request, time.monotonic() + 10, may_repeat=may_repeat).status_code


def idle_connections(pool: ConnectionPool) -> list[Connection]:
    return [connection for idle in pool._idle.values() for connection in idle]


def test_connections_of_a_busy_moment_are_closed_though_one_of_them_is_still_used() -> None:
    together = threading.Barrier(3)

    def behave(request: Request, connection: socket.socket) -> None:
        if request.target.endswith("/together"):
            together.wait(10)
        connection.sendall(YES)

    with Service(behave) as service, contextlib.closing(ConnectionPool(Tls())) as pool:
        callers = [
            threading.Thread(target=get, args=(pool, f"{service.url}/together")) for _ in range(3)
        ]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        *unused, used = idle_connections(pool)
        assert len(unused) == 2
        for connection in unused:
            connection._idle_until = 0.0
        for _ in range(3):
            assert get(pool, f"{service.url}/alone") == 200
        assert idle_connections(pool) == [used]
        assert {request.connection for request in service.requests} == {0, 1, 2}


def test_the_number_of_unused_connections_is_bounded() -> None:
    """Each write opens a connection, and many writes in a short time would use up the file
    descriptors of the process."""
    with Service() as service, contextlib.closing(ConnectionPool(Tls(), max_idle=3)) as pool:
        for _ in range(8):
            get(pool, service.url, may_repeat=False)
        assert {request.connection for request in service.requests} == set(range(8))
        kept = idle_connections(pool)
        assert len(kept) == 3
        get(pool, service.url)
        assert service.requests[-1].connection == 7


@pytest.mark.parametrize("sent", [b"x", YES, b""], ids=["a byte", "a response", "the end"])
def test_a_kept_connection_is_not_used_after_anything_came_on_it(sent: bytes) -> None:
    """A second response to one request would be taken as the response to the next one."""
    with Service() as service, contextlib.closing(ConnectionPool(Tls())) as pool:
        get(pool, service.url)
        (kept,) = idle_connections(pool)
        if sent:
            service.connections[0].sendall(sent)
        else:
            service.drop_connections()
        while kept.is_alive():
            time.sleep(0.001)
        get(pool, service.url)
        assert [request.connection for request in service.requests] == [0, 1]
