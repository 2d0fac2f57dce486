"""A log that cannot be written costs lines, never an answer."""

import os
import select
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.program import ALLOW, Program, auth, rest
from tests.integration.service import Service

PACKETS = 2000


def unreachable(folder: Path) -> Path:
    """A folder in place of the log file: nobody may write there, root neither."""
    place = folder / "folder"
    place.mkdir()
    return place


def unread(folder: Path) -> Path:
    """A pipe with a reader that never reads."""
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    return pipe


def readerless(folder: Path) -> Path:
    """A pipe without a reader."""
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    return pipe


PLACES = {
    "a full disk": lambda folder: Path("/dev/full"),
    "a folder that does not exist": lambda folder: folder / "absent" / "log",
    "a folder in its place": unreachable,
    "a pipe that is never read": unread,
    "a pipe without a reader": readerless,
}


@pytest.mark.parametrize("place", PLACES)
def test_answers_go_on_when_the_log_file_cannot_be_written(tmp_path: Path, place: str) -> None:
    log = PLACES[place](tmp_path)
    with Service() as service, Program(tmp_path, rest(service.url), log=log) as program:
        for _ in range(PACKETS // 20):
            program.write(auth() * 20)
            assert [program.read() for _ in range(20)] == [ALLOW] * 20
        program.close_input()
        assert program.wait() == 0
    said = program.stderr()
    assert said.count(f"log file {log}: ") <= 2
    assert said.count('"answer"') > 0


def test_a_log_file_that_can_be_written_again_is(tmp_path: Path) -> None:
    log = tmp_path / "later" / "log"
    with Service() as service, Program(tmp_path, rest(service.url), log=log) as program:
        assert program.ask(auth()) == ALLOW
        log.parent.mkdir()
        while not log.exists():
            assert program.ask(auth()) == ALLOW
        assert program.logged()
    assert "log file" in program.stderr()


@pytest.fixture
def unread_pipe() -> Iterator[int]:
    """The write end of a pipe that nobody reads."""
    read_end, write_end = os.pipe()
    yield write_end
    os.close(read_end)
    os.close(write_end)


def test_answers_go_on_when_nobody_reads_standard_error(tmp_path: Path, unread_pipe: int) -> None:
    with Service() as service:
        config = rest(service.url) + '[log]\nlevel = "debug"\n'
        with Program(tmp_path, config, stderr=unread_pipe) as program:
            for _ in range(PACKETS // 20):
                program.write(auth() * 20)
                assert [program.read() for _ in range(20)] == [ALLOW] * 20
    poll = select.poll()
    poll.register(unread_pipe, select.POLLOUT)
    assert not poll.poll(0), "the pipe was not even full"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_disk_that_fills_up_cuts_no_line_in_two(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip("this machine does not let root mount")
    try:
        filler = disk / "filler"
        filler.write_bytes(b"x" * 32768)
        log = disk / "log"
        with Service() as service, Program(tmp_path, rest(service.url), log=log) as program:
            assert [program.ask(auth()) for _ in range(300)] == [ALLOW] * 300
            filler.unlink()
            assert [program.ask(auth()) for _ in range(20)] == [ALLOW] * 20
        lines = log.read_text().splitlines()
        broken = [line for line in lines if not line.endswith("}")]
        assert len(broken) <= 1
        assert lines[-1].endswith("}")
        assert "No space left on device" in program.stderr()
    finally:
        subprocess.run(["umount", str(disk)], check=True)
