"""An operator, and ``mod_http_api`` played on a real socket."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from extauth_http.admin import removal, revoke
from tests.admin.operator import ROOM, Operator, Play
from tests.admin.played import Played, PlayedRoom


@pytest.fixture
def operator(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Operator:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(revoke, "BACK_AGAIN", 0.0)
    monkeypatch.setattr(removal, "BETWEEN", 0.01)
    monkeypatch.setattr(removal, "SEEN", 0.2)
    return Operator(tmp_path, capsys, monkeypatch)


@pytest.fixture
def play(operator: Operator) -> Iterator[Play]:
    """Makes a server and points the configuration to it."""
    running: list[Played] = []

    def start(release: str = "26.07", more: str = "", **options: Any) -> Played:
        played = Played(release, **options).__enter__()
        running.append(played)
        operator.configure(played.url, more)
        return played

    yield start
    for each in running:
        each.__exit__()


@pytest.fixture
def server(play: Play) -> Played:
    """The newest release, with alice on twice and in a room."""
    played = play()
    played.sessions = {"alice@example.org": ["phone", "desk"], "bob@example.org": ["pad"]}
    played.rooms[ROOM] = PlayedRoom(
        {"alice@example.org/phone": "Ali", "bob@example.org/pad": "Bobby"}
    )
    return played
