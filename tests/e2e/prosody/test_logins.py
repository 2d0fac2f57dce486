"""Logins at a real Prosody in front of ``extauth-http serve``."""

import asyncio
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.credentials import PASSWORD
from tests.e2e.prosody.accounts import ADA, BOB, Accounts
from tests.e2e.prosody.clients import TEMPORARY, WRONG, authenticate, outcome
from tests.e2e.prosody.server import Prosody
from tests.e2e.raw_stream import RawStream
from tests.e2e.xmpp import login
from tests.integration.program import ALLOW, DENY, SECONDS, rest
from tests.integration.service import Request, Service
from tests.service.processes import FakeService, ServeProcess

pytestmark = pytest.mark.e2e
MALFORMED = [b"\0\2\0\3", b"\0\2\0\1\0\2\0\1", b"\0\1\1", b"HTTP", b""]

LOGINS = [
    # user, password, what the client receives
    ("ada", PASSWORD, "in"),
    ("ada", PASSWORD[:-1], WRONG),
    ("ada", f"{PASSWORD}:", WRONG),
    ("bob", PASSWORD, WRONG),
    ("nobody", PASSWORD, WRONG),
    ("bob", "\N{FULLWIDTH LATIN SMALL LETTER O}ther", "in"),  # SASLprep (RFC 4013)
    ("ada", "x" * 1023, WRONG),
    ("ada", "x" * 1024, "malformed-request"),  # Prosody's SASLprep takes less than 1 KiB
]


@pytest.mark.parametrize(("user", "password", "expected"), LOGINS)
def test_a_client_receives_the_verdict(
    server: Prosody, user: str, password: str, expected: str
) -> None:
    assert outcome(server, f"{user}@example.org", password) == expected


def test_a_service_that_cannot_answer_is_a_temporary_failure(
    server: Prosody, accounts: Accounts
) -> None:
    accounts.is_broken = True
    assert outcome(server, ADA, PASSWORD) == TEMPORARY
    accounts.is_broken = False
    assert outcome(server, ADA, PASSWORD) == "in"


def test_a_service_that_is_gone_is_a_temporary_failure(tmp_path: Path, accounts: Accounts) -> None:
    with (
        Service(accounts.behave) as service,
        ServeProcess(tmp_path, rest(service.url)) as serving,
        Prosody(tmp_path / "prosody", serving.socket) as server,
    ):
        assert outcome(server, ADA, PASSWORD) == "in"
        service.__exit__()
        assert outcome(server, ADA, PASSWORD) == TEMPORARY
        with Service(accounts.behave, port=service.port):
            assert outcome(server, ADA, PASSWORD) == "in"


def test_logins_fail_while_serve_is_gone_and_work_when_it_is_back(
    server: Prosody, serving: ServeProcess
) -> None:
    assert outcome(server, ADA, PASSWORD) == "in"
    serving.stop()
    assert outcome(server, ADA, PASSWORD) == TEMPORARY
    serving.start()
    assert outcome(server, ADA, PASSWORD) == "in"
    assert outcome(server, ADA, "wrong") == WRONG


def test_a_late_answer_reaches_no_other_login(
    tmp_path: Path, serving: ServeProcess, accounts: Accounts
) -> None:
    """The service says yes to ada after Prosody has given up, while others log in."""
    is_late, may_answer = threading.Event(), threading.Event()

    def hold_ada(request: Request) -> None:
        if request.json()["user"] == "ada" and not is_late.is_set():
            is_late.set()
            may_answer.wait(30)

    accounts.before = hold_ada
    with Prosody(tmp_path / "prosody", serving.socket, "extauth_http_deadline = 1") as server:
        with RawStream(server.c2s_port, "example.org") as stream:
            assert authenticate(stream, "ada", PASSWORD) == TEMPORARY
            may_answer.set()
            for _ in range(3):
                assert authenticate(stream, "bob", "wrong") == WRONG
            assert authenticate(stream, "bob", "other") == "in"
        assert outcome(server, ADA, PASSWORD) == "in"


def test_a_login_that_waits_holds_up_nobody_else(server: Prosody, accounts: Accounts) -> None:
    waits, may_answer = threading.Event(), threading.Event()

    def hold_ada(request: Request) -> None:
        if request.json()["user"] == "ada":
            waits.set()
            may_answer.wait(30)

    accounts.before = hold_ada
    with ThreadPoolExecutor(1) as other:
        ada = other.submit(outcome, server, ADA, PASSWORD)
        assert waits.wait(30)
        assert outcome(server, BOB, "other") == "in"
        assert not ada.done()
        may_answer.set()
        assert ada.result() == "in"


def test_each_of_many_clients_at_once_receives_its_own_answer(
    tmp_path: Path, serving: ServeProcess, accounts: Accounts
) -> None:
    """More clients than may ask at the same time: the others wait for their turn."""
    limit, clients = 16, 100
    lock = threading.Lock()
    at_once: list[int] = [0]

    def count(_: Request) -> None:
        with lock:
            at_once.append(at_once[-1] + 1)
        time.sleep(0.1)
        with lock:
            at_once.append(at_once[-1] - 1)

    async def storm(server: Prosody) -> list[bool]:
        passwords = [PASSWORD if number % 3 else "wrong" for number in range(clients)]
        return await asyncio.gather(*(login(server, ADA, each) for each in passwords))

    accounts.before = count
    more = f"extauth_http_max_requests = {limit}"
    with Prosody(tmp_path / "prosody", serving.socket, more) as server:
        assert asyncio.run(storm(server)) == [bool(number % 3) for number in range(clients)]
    assert 1 < max(at_once) <= limit


def test_a_login_that_waits_too_long_for_its_turn_is_a_temporary_failure(
    tmp_path: Path, serving: ServeProcess, accounts: Accounts
) -> None:
    may_answer = threading.Event()

    def hold(_: Request) -> None:
        may_answer.wait(30)

    accounts.before = hold
    more = "extauth_http_max_requests = 1\nextauth_http_deadline = 1"
    with Prosody(tmp_path / "prosody", serving.socket, more) as server:
        with ThreadPoolExecutor(3) as clients:
            jids = [ADA, BOB, "eve@example.org"]
            outcomes = list(clients.map(lambda jid: outcome(server, jid, PASSWORD), jids))
        may_answer.set()
        assert outcomes == [TEMPORARY] * 3
        assert outcome(server, ADA, PASSWORD) == "in"
    assert accounts.operations == ["auth", "auth"]  # the first login and the last


def test_a_malformed_reply_is_a_temporary_failure(tmp_path: Path) -> None:
    path = tmp_path / "port.sock"
    with (
        FakeService(path, lambda _, connection: connection.sendall(ALLOW)) as fake,
        Prosody(tmp_path / "prosody", path) as server,
    ):
        assert outcome(server, ADA, PASSWORD) == "in"
        for reply in MALFORMED:

            def handle(_: bytes, connection: socket.socket, reply: bytes = reply) -> None:
                connection.sendall(reply)
                connection.shutdown(socket.SHUT_RDWR)

            fake.handle = handle
            assert outcome(server, ADA, PASSWORD) == TEMPORARY, reply


def test_a_full_queue_of_connections_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "port.sock"
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as first:
        listening.bind(str(path))
        listening.listen(0)
        first.connect(str(path))
        with (
            Prosody(tmp_path / "prosody", path) as server,
            ThreadPoolExecutor(1) as client,
        ):
            refused = client.submit(outcome, server, ADA, PASSWORD)
            time.sleep(0.5)
            assert not refused.done()
            listening.accept()[0].close()
            connection, _ = listening.accept()
            with connection:
                assert connection.recv(100).endswith(PASSWORD.encode())
                connection.sendall(DENY)
                assert refused.result() == WRONG
                connection.settimeout(SECONDS)
                assert connection.recv(100) == b""  # the end of the connection
