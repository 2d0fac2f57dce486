"""An operator, and ``mod_http_api`` fake on a real socket."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from extauth_http.admin import revoke, room_removal
from tests.admin.fake_commands import FakeRoom
from tests.admin.fake_ejabberd import FakeEjabberd
from tests.admin.operator import ROOM, Operator, Play


@pytest.fixture
def operator(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Operator:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(revoke, "RECONNECT_TIME", 0.0)
    monkeypatch.setattr(room_removal, "LIFT_INTERVAL", 0.01)
    monkeypatch.setattr(room_removal, "KICK_TIMEOUT", 0.2)
    return Operator(tmp_path, capsys, monkeypatch)


@pytest.fixture
def play(operator: Operator) -> Iterator[Play]:
    """Makes a server and points the configuration to it."""
    running: list[FakeEjabberd] = []

    def start(release: str = "26.07", more: str = "", **options: Any) -> FakeEjabberd:
        fake = FakeEjabberd(release, **options).__enter__()
        running.append(fake)
        operator.configure(fake.url, more)
        return fake

    yield start
    for each in running:
        each.__exit__()


@pytest.fixture
def server(play: Play) -> FakeEjabberd:
    """The newest release, with alice on twice and in a room."""
    fake = play()
    fake.sessions = {"alice@example.org": ["phone", "desk"], "bob@example.org": ["pad"]}
    fake.rooms[ROOM] = FakeRoom({"alice@example.org/phone": "Ali", "bob@example.org/pad": "Bobby"})
    return fake
