"""A log that cannot be written costs lines, never an answer."""

import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.program import ALLOW, Program, auth, rest
from tests.integration.service import Service
from tests.small_disk import small_disk

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
        while f"log file {log}: " not in program.stderr():
            time.sleep(0.01)
        log.parent.mkdir()
        while not log.exists():
            assert program.ask(auth()) == ALLOW
        assert program.logged()


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


def test_a_disk_that_fills_up_cuts_no_line_in_two(tmp_path: Path) -> None:
    with small_disk(tmp_path, "64k") as disk:
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


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_answers_go_on_when_the_log_file_may_not_be_written(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    os.chown(place, 65534, 65534)
    wrapper = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")
    log = place / "log"
    with (
        Service() as service,
        Program(tmp_path, rest(service.url), log=log, wrapper=wrapper) as program,
    ):
        assert [program.ask(auth()) for _ in range(20)] == [ALLOW] * 20
        assert f"log file {log}: Permission denied" in program.stderr()
        os.chown(place, 0, 0)
        while not log.exists():
            assert program.ask(auth()) == ALLOW


ROUNDS, AT_ONCE = 6, 100
SLOWER = 3.0
"""How many times as long the best round may take on a busy machine; what waits for a log takes
hundreds of times as long."""


def best_round(program: Program) -> float:
    """Seconds of the fastest of some rounds of packets."""
    found = []
    for _ in range(ROUNDS):
        before = time.monotonic()
        program.write(auth() * AT_ONCE)
        assert [program.read() for _ in range(AT_ONCE)] == [ALLOW] * AT_ONCE
        found.append(time.monotonic() - before)
    return min(found)


@pytest.mark.parametrize("place", PLACES)
def test_answers_are_as_fast_as_ever_when_the_log_fails(tmp_path: Path, place: str) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.mkdir()
    bad.mkdir()
    with Service() as service:
        config = rest(service.url)
        with Program(good, config) as one, Program(bad, config, log=PLACES[place](bad)) as other:
            ordinary = best_round(one)
            assert best_round(other) < SLOWER * ordinary


HANGS = 6
"""Seconds."""


def can_delay() -> bool:
    """Whether strace is there and may be used."""
    return (
        bool(shutil.which("strace"))
        and not subprocess.run(
            ["strace", "-o", os.devnull, "true"], check=False, capture_output=True
        ).returncode
    )


@pytest.mark.skipif(not can_delay(), reason="needs strace")
def test_a_disk_that_hangs_holds_one_packet_up_and_no_other(tmp_path: Path) -> None:
    """Each write to the log file takes as long as ``HANGS``; the kernel is told so by strace."""
    log = tmp_path / "log"
    log.touch()
    trace = tmp_path / "trace"
    delay = ("-e", "trace=write", "-e", f"inject=write:delay_enter={HANGS}000000", "-P", str(log))
    wrapper = ("strace", "-f", "-o", str(trace), *delay)
    deadline = "deadline = 0.5"
    with Service() as service:
        config = rest(service.url, top=deadline)
        with Program(tmp_path, config, log=log, wrapper=wrapper) as program:
            before = time.monotonic()
            assert [program.ask(auth()) for _ in range(100)] == [ALLOW] * 100
            assert time.monotonic() - before < HANGS
            program.close_input()
            assert program.wait() == 0
    assert "write(" in trace.read_text()
