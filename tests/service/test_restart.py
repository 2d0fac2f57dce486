"""A restart of ``serve`` refuses no login: its relays wait for the new one."""

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.program import ALLOW, auth, rest
from tests.integration.service import Service
from tests.service.processes import RelayProcess, ServeProcess, password_decides

MEMBERS = 4


@pytest.fixture
def service() -> Iterator[Service]:
    with Service(password_decides) as running:
        yield running


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("pause", [0.0, 1.0])
def test_no_login_is_refused_while_serve_restarts(
    tmp_path: Path, service: Service, number: signal.Signals, pause: float
) -> None:
    replies: list[bytes] = []
    stopped = threading.Event()

    def log_in(member: RelayProcess) -> None:
        while not stopped.is_set():
            replies.append(member.ask(auth("right")))
            time.sleep(0.01)

    with ServeProcess(tmp_path, rest(service.url)) as serving:
        members = [RelayProcess(serving.socket) for _ in range(MEMBERS)]
        threads = [threading.Thread(target=log_in, args=(member,)) for member in members]
        try:
            for member in members:
                assert member.ask(auth("right")) == ALLOW
            for thread in threads:
                thread.start()
            time.sleep(0.3)
            serving.stop(number)
            time.sleep(pause)
            serving.start()
            time.sleep(0.5)
        finally:
            stopped.set()
            for thread in threads:
                thread.join()
            for member in members:
                member.__exit__(None, None, None)
    assert len(replies) > 50
    assert set(replies) == {ALLOW}
