"""A restart of ``serve`` refuses no login: its relays wait for the new one."""

import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from extauth_http.service.worker import FINISH_SECONDS
from tests.integration.program import ALLOW, SECONDS, auth, rest, setpass
from tests.integration.service import Request, Service, http
from tests.service.processes import RelayProcess, ServeProcess, password_decides, until

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


def test_a_request_that_hangs_delays_no_restart_and_is_asked_again(tmp_path: Path) -> None:
    """The relays of other logins wait for 4.5 s, and the request would hang for eight."""
    asked: list[str] = []
    released = threading.Event()

    def hang_once(request: Request, connection: socket.socket) -> None:
        asked.append(request.json()["password"])
        if request.json()["password"] == "hangs" and asked.count("hangs") == 1:
            released.wait(SECONDS)
        password_decides(request, connection)

    with (
        Service(hang_once) as service,
        ServeProcess(tmp_path, rest(service.url)) as serving,
        RelayProcess(serving.socket) as hanging,
        RelayProcess(serving.socket) as other,
    ):
        try:
            assert other.ask(auth("right")) == ALLOW
            hanging.write(auth("hangs"))
            until(lambda: "hangs" in asked)
            serving.process.send_signal(signal.SIGTERM)
            until(lambda: not serving.socket.exists())
            other.write(auth("right"))
            assert serving.process.wait(SECONDS) == 0
            serving.start()
            assert other.read() == hanging.read() == ALLOW
        finally:
            released.set()
    assert asked.count("hangs") == 2
    assert '"reason": "stopped"' in serving.log_file.read_text()


def test_an_operation_that_changes_something_is_answered_before_the_end(tmp_path: Path) -> None:
    asked: list[str] = []

    def set_slowly(request: Request, connection: socket.socket) -> None:
        asked.append(request.json()["password"])
        time.sleep(FINISH_SECONDS + 0.5)
        connection.sendall(http(200, "true"))

    with (
        Service(set_slowly) as service,
        ServeProcess(tmp_path, rest(service.url)) as serving,
        RelayProcess(serving.socket) as member,
    ):
        member.write(setpass("new"))
        until(lambda: asked)
        assert serving.stop() == 0
        assert member.read() == ALLOW
    assert asked == ["new"]
