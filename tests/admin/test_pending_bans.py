"""Pending bans: on disk before the ban, locked while in use, and only in a safe directory."""

import json
import os
import threading
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from extauth_http.admin.pending_bans import (
    PendingBan,
    PendingBanError,
    create_directory,
    directory,
    forget,
    hold,
    left_behind,
)

API = "http://127.0.0.1:5443/api"
BAN = PendingBan(API, "tea", "conference.example.org", "alice", "example.org", "member")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


def found() -> list[PendingBan]:
    return [ban for ban, _ in left_behind(API)]


def write(ban: PendingBan, **more: Any) -> Path:
    file = create_directory() / ban.file_name
    file.write_text(json.dumps({**asdict(ban), **more}))
    return file


def test_a_pending_ban_is_on_disk_before_the_block_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    synced: list[tuple[int, int]] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        state = os.fstat(descriptor)
        synced.append((state.st_ino, state.st_size))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    with hold(BAN) as file:
        assert (file.stat().st_ino, file.stat().st_size) in synced
        assert file.parent.stat().st_ino in {inode for inode, _ in synced}
        assert PendingBan(**json.loads(file.read_text())) == BAN
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.parent.stat().st_mode & 0o777 == 0o700


def test_a_pending_ban_is_left_behind_only_if_nobody_holds_it() -> None:
    with hold(BAN) as file:
        assert found() == []
    assert found() == [BAN]
    forget(file)
    assert found() == []
    forget(file)


def test_a_pending_ban_is_locked_while_it_is_handled() -> None:
    write(BAN)
    for _ in left_behind(API):
        assert found() == []


def test_a_waiting_process_gets_a_file_that_exists() -> None:
    """Two remove the same user: the first takes the note away, and the second needs one, too."""
    second = replace(BAN, affiliation="none")
    seen: list[PendingBan] = []

    def other() -> None:
        with hold(second) as file:
            seen.append(PendingBan(**json.loads(file.read_text())))

    with hold(BAN) as file:
        waiting = threading.Thread(target=other)
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
        assert PendingBan(**json.loads(file.read_text())) == BAN  # still complete
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
        {"user": "mallory"},  # not the user of the file's name
        {"api": "http://other/api"},
        {"more": "keys"},
    ],
)
def test_a_file_that_is_not_a_pending_ban_of_this_server_is_ignored(more: dict[str, Any]) -> None:
    file = write(BAN, **more)
    assert found() == []
    assert file.exists()


@pytest.mark.parametrize("content", [b"", b"garbage", b"\xff\x00", b"[]", b"{}", b"[" * 60000])
def test_a_file_that_is_not_valid_is_ignored(content: bytes) -> None:
    file = create_directory() / BAN.file_name
    file.write_bytes(content)
    assert found() == []
    assert file.read_bytes() == content


def test_links_and_pipes_are_ignored(state: Path) -> None:
    real = write(BAN)
    elsewhere = real.rename(state / "elsewhere")
    real.symlink_to(elsewhere)
    os.mkfifo(create_directory() / "pipe.json")
    assert found() == []
    real.unlink()
    with hold(BAN) as file:
        assert not file.is_symlink()


def test_a_pending_ban_is_not_written_through_a_link(state: Path) -> None:
    (state / "precious").write_text("precious")
    (create_directory() / BAN.file_name).symlink_to(state / "precious")
    with pytest.raises(PendingBanError, match="cannot save a pending ban there"), hold(BAN):
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
def test_the_directory_follows_the_xdg_specification(
    monkeypatch: pytest.MonkeyPatch, state_home: str | None, expected: str
) -> None:
    monkeypatch.setenv("HOME", "/home/op")
    if state_home is None:
        monkeypatch.delenv("XDG_STATE_HOME")
    else:
        monkeypatch.setenv("XDG_STATE_HOME", state_home)
    assert str(directory()) == expected


def test_a_missing_home_directory_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 987654)  # in no list of users
    with pytest.raises(PendingBanError, match="set XDG_STATE_HOME"):
        directory()


def test_reading_creates_no_directory(state: Path) -> None:
    assert found() == []
    assert list(state.iterdir()) == []
