"""A log file that cannot be written: lines are lost, and no thread waits for anything.

A wait shows as a voluntary context switch of the thread, so the tests need no clock.
"""

import contextlib
import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from extauth_http.program.log_file import RETRY_SECONDS, LogFile, StandardError
from tests.program.unwritable_files import UNWRITABLE_FILES

LINE = b"a line\n"
LINES = 300


@contextlib.contextmanager
def full_stderr() -> Iterator[None]:
    """Makes standard error a full pipe that no one reads.

    Not a fixture: pytest redirects standard error again after it has set up the fixtures.
    """
    kept = os.dup(2)
    read_end, write_end = os.pipe()
    os.dup2(write_end, 2)
    os.set_blocking(write_end, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(write_end, LINE)
    os.set_blocking(write_end, True)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        for descriptor in (kept, read_end, write_end):
            os.close(descriptor)


def waits(write: Callable[[bytes], None]) -> int:
    """How often a thread waits while it writes lines."""
    found: list[int] = []

    def run() -> None:
        write(LINE)
        before = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
        for _ in range(LINES):
            write(LINE)
        found.append(resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw - before)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(30)
    assert found, "a line is still not written"
    return found[0]


@pytest.mark.parametrize("place", UNWRITABLE_FILES)
def test_a_line_that_cannot_be_written_waits_for_nothing(tmp_path: Path, place: str) -> None:
    with full_stderr():
        count = waits(LogFile(UNWRITABLE_FILES[place](tmp_path)).write)
    assert count < LINES / 10


def test_standard_error_that_no_one_reads_is_not_waited_for() -> None:
    with full_stderr():
        count = waits(StandardError().write)
    assert count < LINES / 10


def test_a_file_that_cannot_be_opened_is_tried_again_after_a_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, opened = [100.0], []
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    folder = tmp_path / "later"
    log = LogFile(folder / "log")
    real_open = os.open

    def counted(path: Path, *arguments: int) -> int:
        opened.append(path)
        return real_open(path, *arguments)

    monkeypatch.setattr(os, "open", counted)
    for _ in range(3):
        log.write(b"lost\n")
    assert len(opened) == 1
    now[0] += RETRY_SECONDS
    log.write(b"lost\n")
    assert len(opened) == 2
    folder.mkdir()
    log.write(b"lost\n")
    now[0] += RETRY_SECONDS
    log.write(b"kept\n")
    assert log.file is not None
    assert log.file.read_bytes() == b"kept\n"


def test_a_line_behind_one_that_hangs_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = LogFile(tmp_path / "log")
    is_hanging, goes_on = threading.Event(), threading.Event()
    real_write = os.write

    def hanging(descriptor: int, data: bytes) -> int:
        if data == b"first\n":
            is_hanging.set()
            goes_on.wait(30)
        return real_write(descriptor, data)

    monkeypatch.setattr(os, "write", hanging)
    first = threading.Thread(target=log.write, args=(b"first\n",))
    first.start()
    assert is_hanging.wait(10)
    for _ in range(3):
        log.write(b"lost\n")
    log.close()
    goes_on.set()
    first.join(10)
    log.write(b"last\n")
    assert (tmp_path / "log").read_bytes() == b"first\nlast\n"


def test_a_line_that_a_full_disk_cuts_off_is_not_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = LogFile(tmp_path / "log")
    real_write = os.write
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda file, data: real_write(file, data[:3]))
        log.write(b"first\n")
    log.write(b"second\n")
    log.write(b"third\n")
    assert (tmp_path / "log").read_bytes() == b"fir\nsecond\nthird\n"


@pytest.mark.parametrize("exists", [False, True])
def test_a_file_that_was_renamed_is_opened_again(tmp_path: Path, exists: bool) -> None:
    file = tmp_path / "log"
    log = LogFile(file)
    log.write(b"first\n")
    file.rename(tmp_path / "log.1")
    if exists:  # another process has opened it already
        file.write_bytes(b"other\n")
    log.write(b"second\n")
    assert (tmp_path / "log.1").read_bytes() == b"first\n"
    assert file.read_bytes() == (b"other\n" if exists else b"") + b"second\n"


def test_a_symbolic_link_is_not_followed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """An account that may write to the folder could make the program write to any file."""
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("")
    link.symlink_to(target)
    LogFile(link).write(b"a line\n")
    assert target.read_text() == ""
    error = capfd.readouterr().err
    assert "a line" in error
    assert "is a symbolic link, which is not followed" in error


def test_a_link_that_replaces_the_file_is_not_followed(tmp_path: Path) -> None:
    target, file = tmp_path / "target", tmp_path / "log"
    target.write_text("")
    log_file = LogFile(file)
    log_file.write(b"first\n")
    file.rename(tmp_path / "rotated")
    file.symlink_to(target)
    log_file.write(b"second\n")
    assert target.read_text() == ""
