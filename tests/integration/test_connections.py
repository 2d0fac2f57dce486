"""Kept connections, repeated reads, and writes that are sent once."""

import socket
import threading
from pathlib import Path

import pytest

from extauth_http.protocol.packet_parser import frame
from tests.integration.certificates import Certificates
from tests.integration.program import ALLOW, DENY, UNDECIDED, Program, auth, isuser, rest, setpass
from tests.integration.service import (
    RESET_ON_CLOSE,
    YES,
    Behaviour,
    Request,
    Service,
    answering,
    http,
    sending,
)

LONG = "hunter2" * 8000


def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    redirect = http(302, "", "Location: /x/elsewhere")
    behave = answering(redirect, YES)
    with Service(behave) as service, Program(tmp_path, rest(service.url)) as program:
        assert program.ask(auth()) == UNDECIDED
        assert [request.target for request in service.requests] == ["/x/auth"]


def closing_idle(request: Request, connection: socket.socket) -> None:
    """Answers once and closes the connection."""
    connection.sendall(YES)
    connection.shutdown(socket.SHUT_RDWR)


def resetting_idle(request: Request, connection: socket.socket) -> None:
    """Answers once and resets the connection."""
    connection.sendall(YES)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    raise OSError


@pytest.mark.parametrize("behave", [closing_idle, resetting_idle])
@pytest.mark.parametrize("encrypted", [False, True])
def test_a_closed_idle_connection_is_replaced(
    tmp_path: Path, certs: Certificates, behave: Behaviour, encrypted: bool
) -> None:
    tls, more = (
        (certs.good, f'[backend.tls]\nca_file = "{certs.ca_file}"') if encrypted else (None, "")
    )
    with Service(behave, tls) as service, Program(tmp_path, rest(service.url, more)) as program:
        assert [program.ask(auth(LONG)) for _ in range(20)] == [ALLOW] * 20
        assert len(service.connections) == 20


def test_a_response_before_the_end_of_the_request_counts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"

        def refuse() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(10)
                connection.sendall(http(403, "", "Connection: close"))
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass

        thread = threading.Thread(target=refuse, daemon=True)
        thread.start()
        with Program(tmp_path, rest(url)) as program:
            assert program.ask(auth(LONG)) == DENY
        thread.join(5)


def test_a_restart_of_the_service_costs_no_login(tmp_path: Path) -> None:
    with Service() as service, Program(tmp_path, rest(service.url)) as program:
        assert program.ask(auth()) == ALLOW
        port = service.port
        service.__exit__()
        with Service(port=port):
            assert program.ask(auth()) == ALLOW
            assert program.ask(setpass()) == ALLOW


def dropping(request: Request, connection: socket.socket) -> None:
    """Answers the first request of a connection, and closes it after reading a second one."""
    if request.connection in seen:
        connection.shutdown(socket.SHUT_RDWR)
    else:
        seen.add(request.connection)
        connection.sendall(YES)


seen: set[int] = set()


@pytest.mark.parametrize(("asked", "requests"), [(auth(), 3), (isuser(), 3), (setpass(), 2)])
def test_a_read_that_gets_no_response_on_a_kept_connection_is_repeated_once(
    tmp_path: Path, asked: bytes, requests: int
) -> None:
    """A write is not repeated. It always gets a new connection."""
    seen.clear()
    with Service(dropping) as service, Program(tmp_path, rest(service.url)) as program:
        assert program.ask(auth()) == ALLOW
        assert program.ask(asked) == ALLOW
        assert len(service.requests) == requests


@pytest.mark.parametrize(
    "payload",
    [
        b"setpass:alice:h.example:x",
        b"tryregister:alice:h.example:x",
        b"removeuser:alice:h.example",
        b"removeuser3:alice:h.example:x",
    ],
)
def test_a_write_is_never_sent_twice(tmp_path: Path, payload: bytes) -> None:
    write = frame(payload)
    with Service() as service, Program(tmp_path, rest(service.url)) as program:
        assert program.ask(auth()) == ALLOW
        service.behave = sending(b"")
        assert program.ask(write) == UNDECIDED
        assert program.reasons(2)[-1] == "connection_lost"
        assert len(service.requests) == 2


def test_a_read_on_a_new_connection_is_not_repeated(tmp_path: Path) -> None:
    with Service(sending(b"")) as service, Program(tmp_path, rest(service.url)) as program:
        assert program.ask(auth()) == UNDECIDED
        assert len(service.requests) == 1
