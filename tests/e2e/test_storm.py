"""Many logins at once through a real ejabberd whose pool members are relays to one `serve`."""

import shlex
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.ejabberd import ApiError, Ejabberd
from tests.e2e.xmpp import logs_in
from tests.integration.program import EXECUTABLE, rest
from tests.integration.service import Request, Service, http
from tests.service.processes import ServeProcess
from tests.token_service import TokenService

pytestmark = pytest.mark.e2e
POOL = 16


def by_password(request: Request, connection: socket.socket) -> None:
    """Answers yes to the password ``right``, after a tenth of a second."""
    time.sleep(0.1)
    right = request.json()["password"] == "right"
    connection.sendall(http(200, "true" if right else "false"))


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[ServeProcess]:
    with Service(by_password) as slow, ServeProcess(tmp_path, rest(slow.url)) as running:
        yield running


def relays(serving: ServeProcess) -> str:
    return shlex.join([str(EXECUTABLE), "relay", "--socket", str(serving.socket)])


def test_a_client_logs_in_through_relay_and_service(tmp_path: Path, service: TokenService) -> None:
    token = service.issue("alice@example.org")
    with ServeProcess(tmp_path, rest(service.url)) as serving, Ejabberd(relays(serving)) as server:
        assert logs_in(server, "alice@example.org", token)
        service.revoke(token)
        assert not logs_in(server, "alice@example.org", token)


def test_the_whole_pool_answers_many_logins_at_the_same_time(serving: ServeProcess) -> None:
    """Counts the requests that the service has at the same time, instead of measuring the time."""
    most = in_progress = 0
    lock = threading.Lock()

    def counting(request: Request, connection: socket.socket) -> None:
        nonlocal most, in_progress
        with lock:
            in_progress += 1
            most = max(most, in_progress)
        time.sleep(0.2)
        with lock:
            in_progress -= 1
        by_password(request, connection)

    with Service(counting) as service:
        draft = serving.config.with_suffix(".new")
        draft.write_text(rest(service.url))
        draft.rename(serving.config)
        with Ejabberd(relays(serving), extauth_pool_size=POOL) as server:
            before = server.whole_pool()
            with ThreadPoolExecutor(40) as clients:
                passwords = ["right", "wrong", "right", "right"] * 50
                let_in = list(
                    clients.map(
                        lambda password: server.check_password("alice", "example.org", password),
                        passwords,
                    )
                )
            assert let_in == [password == "right" for password in passwords]
            # On an idle machine it is the whole pool. If pool members waited for each other, it
            # would be one per process.
            assert POOL / 2 < most <= POOL
            assert server.program_pids() == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_pool_member_ends_when_serve_is_restarted_under_load(
    serving: ServeProcess, number: signal.Signals
) -> None:
    stop = threading.Event()

    def log_in(server: Ejabberd) -> list[str]:
        seen = []
        while not stop.is_set():
            try:
                allowed = server.check_password("alice", "example.org", "right")
                seen.append("in" if allowed else "out")
            except ApiError as error:
                seen.append(str(error.status))
        return seen

    with Ejabberd(relays(serving), extauth_pool_size=POOL) as server:
        before = server.whole_pool()
        with ThreadPoolExecutor(POOL) as clients:
            logging_in = [clients.submit(log_in, server) for _ in range(POOL)]
            try:
                for _ in range(3):
                    time.sleep(0.5)
                    serving.stop(number)
                    serving.start()
                time.sleep(0.5)
            finally:
                stop.set()
        seen = [each for client in logging_in for each in client.result()]
        assert seen.count("in") > 10 * POOL
        assert server.check_password("alice", "example.org", "right")
        assert not server.check_password("alice", "example.org", "wrong")
        assert server.program_pids() == before, "no pool member was restarted"
