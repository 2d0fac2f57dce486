"""The proxy of the environment, in front of a service with TLS."""

import select
import socket
from base64 import b64encode
from pathlib import Path

import pytest

from tests.integration.certificates import certificates
from tests.integration.program import ALLOW, UNDECIDED, Program, auth, rest
from tests.integration.service import Request, Service, answering, http


def tunnel(request: Request, connection: socket.socket) -> None:
    """Answers CONNECT as a proxy does."""
    with socket.create_connection(("127.0.0.1", int(request.target.rpartition(":")[2]))) as there:
        connection.sendall(b"HTTP/1.1 200 Established\r\n\r\n")
        ends = {connection: there, there: connection}
        while True:
            for readable in select.select(list(ends), [], [], 20)[0]:
                data = readable.recv(65536)
                if not data:
                    return
                ends[readable].sendall(data)


def test_a_tunnel_hides_the_requests_from_the_proxy(tmp_path: Path) -> None:
    made = certificates(tmp_path)
    secrets = 'service_auth = {kind = "bearer", token = "to-the-service"}\ntrust_env = true\n'
    secrets += f'tls = {{ca_file = "{made.ca_file}"}}'
    with Service(tunnel) as proxy, Service(tls=made.good) as service:
        there = {"https_proxy": f"http://us%40er:pw@127.0.0.1:{proxy.port}"}
        config = rest(service.url, secrets)
        with Program(tmp_path, config, environment=there) as program:
            assert [program.ask(auth()) for _ in range(3)] == [ALLOW] * 3
        (seen,) = proxy.requests
        assert (seen.method, seen.target) == ("CONNECT", f"localhost:{service.port}")
        named = "Basic " + b64encode(b"us@er:pw").decode()
        assert seen.headers == {"host": seen.target, "proxy-authorization": named}
        assert len(service.requests) == 3
        assert all("proxy-authorization" not in each.headers for each in service.requests)


def test_a_tunnel_to_an_ipv6_address_uses_brackets(tmp_path: Path) -> None:
    with Service(answering(http(502))) as proxy:
        there = {"https_proxy": f"http://127.0.0.1:{proxy.port}"}
        config = rest("https://[2001:db8::1]:8443/x", "trust_env = true")
        with Program(tmp_path, config, environment=there) as program:
            assert program.ask(auth()) == UNDECIDED
        (seen,) = proxy.requests
        assert seen.target == seen.headers["host"] == "[2001:db8::1]:8443"


@pytest.mark.parametrize(
    ("said", "reason"),
    [(http(407), "proxy"), (b"", "proxy"), (b"SOCKS?\r\n\r\n", "bad_http")],
)
def test_a_proxy_that_refuses_is_undecided(tmp_path: Path, said: bytes, reason: str) -> None:
    def refuse(request: Request, connection: socket.socket) -> None:
        answering(said)(request, connection)
        connection.shutdown(socket.SHUT_RDWR)

    with Service(refuse) as proxy:
        there = {"https_proxy": f"http://127.0.0.1:{proxy.port}"}
        config = rest("https://localhost:1/x", "trust_env = true")
        with Program(tmp_path, config, environment=there) as program:
            assert program.ask(auth()) == UNDECIDED
            assert program.reasons() == [reason]
