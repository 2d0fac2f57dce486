"""A note of a ban: on disk before the ban, held while it is needed, and believed only from the
operator's own folder."""

import json
import os
import threading
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from extauth_http.admin.notes import (
    BanNotesError,
    Note,
    folder,
    forget,
    left_behind,
    made_folder,
    noted,
)

API = "http://127.0.0.1:5443/api"
NOTE = Note(API, "tea", "conference.example.org", "alice", "example.org", "member")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


def found() -> list[Note]:
    return [note for note, _ in left_behind(API)]


def write(note: Note, **more: Any) -> Path:
    file = made_folder() / note.file_name
    file.write_text(json.dumps({**asdict(note), **more}))
    return file


def test_a_note_is_on_disk_with_its_name_before_anything_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    synced: list[tuple[int, int]] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        state = os.fstat(descriptor)
        synced.append((state.st_ino, state.st_size))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    with noted(NOTE) as file:
        assert (file.stat().st_ino, file.stat().st_size) in synced
        assert file.parent.stat().st_ino in {inode for inode, _ in synced}
        assert Note(**json.loads(file.read_text())) == NOTE
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.parent.stat().st_mode & 0o777 == 0o700


def test_a_note_is_left_behind_only_when_nobody_holds_it() -> None:
    with noted(NOTE) as file:
        assert found() == []
    assert found() == [NOTE]
    forget(file)
    assert found() == []
    forget(file)


def test_a_note_that_is_looked_at_is_held() -> None:
    write(NOTE)
    for _ in left_behind(API):
        assert found() == []


def test_who_waits_for_a_note_gets_one_that_is_there() -> None:
    """Two remove the same user: the first takes the note away, and the second needs one, too."""
    second = replace(NOTE, affiliation="none")
    seen: list[Note] = []

    def other() -> None:
        with noted(second) as file:
            seen.append(Note(**json.loads(file.read_text())))

    with noted(NOTE) as file:
        waiting = threading.Thread(target=other)
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
        assert Note(**json.loads(file.read_text())) == NOTE  # the waiting one did not empty it
        forget(file)
    waiting.join(10)
    assert seen == [second]


@pytest.mark.parametrize(
    "more",
    [
        {"affiliation": "outcast"},
        {"affiliation": "king"},
        {"affiliation": None},
        {"room": 7},
        {"user": "mallory"},  # not what the file's name says
        {"api": "http://other/api"},
        {"more": "keys"},
    ],
)
def test_what_is_no_note_of_this_server_is_left_alone(more: dict[str, Any]) -> None:
    file = write(NOTE, **more)
    assert found() == []
    assert file.exists()


@pytest.mark.parametrize("content", [b"", b"garbage", b"\xff\x00", b"[]", b"{}", b"[" * 60000])
def test_garbage_is_left_alone(content: bytes) -> None:
    file = made_folder() / NOTE.file_name
    file.write_bytes(content)
    assert found() == []
    assert file.read_bytes() == content


def test_links_and_pipes_are_left_alone(state: Path) -> None:
    real = write(NOTE)
    elsewhere = real.rename(state / "elsewhere")
    real.symlink_to(elsewhere)
    os.mkfifo(made_folder() / "pipe.json")
    assert found() == []
    real.unlink()
    with noted(NOTE) as file:
        assert not file.is_symlink()


def test_no_note_is_written_through_a_link(state: Path) -> None:
    (state / "precious").write_text("precious")
    (made_folder() / NOTE.file_name).symlink_to(state / "precious")
    with pytest.raises(BanNotesError, match="no note of a ban can be kept there"), noted(NOTE):
        pass
    assert (state / "precious").read_text() == "precious"


@pytest.mark.parametrize(
    ("state_home", "expected"),
    [
        ("/var/state", "/var/state/extauth-http/bans"),
        ("", "/home/op/.local/state/extauth-http/bans"),
        ("relative", "/home/op/.local/state/extauth-http/bans"),
        (None, "/home/op/.local/state/extauth-http/bans"),
    ],
)
def test_the_folder_is_where_the_xdg_specification_has_it(
    monkeypatch: pytest.MonkeyPatch, state_home: str | None, expected: str
) -> None:
    monkeypatch.setenv("HOME", "/home/op")
    if state_home is None:
        monkeypatch.delenv("XDG_STATE_HOME")
    else:
        monkeypatch.setenv("XDG_STATE_HOME", state_home)
    assert str(folder()) == expected


def test_without_a_home_there_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 987654)  # in no list of users
    with pytest.raises(BanNotesError, match="set XDG_STATE_HOME"):
        folder()


def test_a_look_makes_no_folder(state: Path) -> None:
    assert found() == []
    assert list(state.iterdir()) == []
