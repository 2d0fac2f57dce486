"""``[signals.sweep]``: the service is asked again and again about everybody who is connected."""

import json
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.admin.fake_ejabberd import FakeEjabberd, respond
from tests.integration.service import NO, YES, Request, Service, http
from tests.signals.running_service import ALICE, BOB, SignalsService, wait_for

Sweeping = Callable[..., AbstractContextManager[SignalsService]]


@pytest.fixture
def sweeping(tmp_path: Path, ejabberd: FakeEjabberd) -> Sweeping:
    """Starts the service with a backend and a sweep every second."""

    @contextmanager
    def start(url: str, more: str = "") -> Any:
        backend = f'[signals.sweep]\nevery = "1s"\n{more}\n[backend]\nkind = "rest"\nurl = "{url}"'
        with SignalsService(tmp_path, ejabberd.url, backend) as running:
            yield running

    return start


def says(**replies: bytes) -> Callable[[Request, socket.socket], None]:
    def answer(request: Request, connection: socket.socket) -> None:
        connection.sendall(replies.get(json.loads(request.body)["user"], YES))

    return answer


def test_a_removed_user_loses_the_sessions_without_any_event(
    sweeping: Sweeping, ejabberd: FakeEjabberd
) -> None:
    with Service(says()) as backend, sweeping(backend.url) as service:
        wait_for(lambda: service.events("sweep_done"))
        assert list(ejabberd.sessions) == [ALICE, BOB]
        backend.behave = says(alice=NO)
        (ended,) = wait_for(lambda: service.events("sweep_ended"))
        assert (ended["user"], ended["ended"], list(ejabberd.sessions)) == ("alice", 2, [BOB])
        assert service.metric("swept_total") == 1
        wait_for(lambda: service.metric("sweeps_total", result="done") >= 2)
        assert service.stop() == 0


@pytest.mark.parametrize(
    ("reply", "more", "event"),
    [
        (NO, "at_most = 1", "sweep_refused"),
        (http(500), "", "sweep_done"),
        (NO, 'hosts = ["other.example"]', "sweep_done"),
    ],
)
def test_nobody_is_ended(
    sweeping: Sweeping, ejabberd: FakeEjabberd, reply: bytes, more: str, event: str
) -> None:
    with Service(says(alice=reply, bob=reply)) as backend, sweeping(backend.url, more) as service:
        wait_for(lambda: service.events(event))
        result = event.removeprefix("sweep_")
        wait_for(lambda: service.metric("sweeps_total", result=result) >= 1)
        assert ejabberd.changes == []


def test_a_failed_sweep_is_logged_and_the_next_one_succeeds(
    sweeping: Sweeping, ejabberd: FakeEjabberd
) -> None:
    ejabberd.script("connected_users", respond(403, {"message": "AccessRules: no right"}))
    with Service(says(alice=NO)) as backend, sweeping(backend.url) as service:
        wait_for(lambda: service.events("sweep_failed"))
        wait_for(lambda: service.events("sweep_ended"))


def test_a_sweep_without_a_backend_is_an_error_at_the_start(
    tmp_path: Path, ejabberd: FakeEjabberd
) -> None:
    service = SignalsService(tmp_path, ejabberd.url, '[signals.sweep]\nevery = "10m"')
    service.start(ready=False)
    assert service.process.wait(30) == 2
    assert "backend" in service.stderr.read_text()
    service.http.close()
