"""A log that cannot be written loses lines and never a reply."""

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
from tests.program.unwritable_files import UNWRITABLE_FILES
from tests.small_disk import small_disk

PACKETS = 2000


@pytest.mark.parametrize("place", UNWRITABLE_FILES)
def test_replies_go_on_if_the_log_file_cannot_be_written(tmp_path: Path, place: str) -> None:
    log = UNWRITABLE_FILES[place](tmp_path)
    with Service() as service, Program(tmp_path, rest(service.url), log=log) as program:
        for _ in range(PACKETS // 20):
            program.write(auth() * 20)
            assert [program.read() for _ in range(20)] == [ALLOW] * 20
        program.close_input()
        assert program.wait() == 0
    said = program.stderr()
    assert 1 <= said.count(f"log file {log}: ") <= 2
    assert said.count('"answer"') > 0


def test_a_log_file_that_can_be_written_again_is_used_again(tmp_path: Path) -> None:
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
    """The write end of a pipe that no one reads."""
    read_end, write_end = os.pipe()
    yield write_end
    os.close(read_end)
    os.close(write_end)


def test_replies_go_on_if_no_one_reads_standard_error(tmp_path: Path, unread_pipe: int) -> None:
    with Service() as service:
        config = rest(service.url) + '[log]\nlevel = "debug"\n'
        with Program(tmp_path, config, stderr=unread_pipe) as program:
            for _ in range(PACKETS // 20):
                program.write(auth() * 20)
                assert [program.read() for _ in range(20)] == [ALLOW] * 20
    poll = select.poll()
    poll.register(unread_pipe, select.POLLOUT)
    assert not poll.poll(0), "the pipe was not even full"


def test_a_disk_that_fills_up_cuts_off_at_most_one_line(tmp_path: Path) -> None:
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
def test_replies_go_on_without_permission_to_write_the_log_file(tmp_path: Path) -> None:
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


HANG_SECONDS = 6


def can_delay() -> bool:
    """Whether strace is installed and permitted."""
    return (
        bool(shutil.which("strace"))
        and not subprocess.run(
            ["strace", "-o", os.devnull, "true"], check=False, capture_output=True
        ).returncode
    )


@pytest.mark.skipif(not can_delay(), reason="needs strace")
def test_a_disk_that_hangs_holds_one_packet_and_no_other(tmp_path: Path) -> None:
    """strace delays each write to the log file by ``HANG_SECONDS``."""
    log = tmp_path / "log"
    log.touch()
    trace = tmp_path / "trace"
    delay = (
        "-e",
        "trace=write",
        "-e",
        f"inject=write:delay_enter={HANG_SECONDS}000000",
        "-P",
        str(log),
    )
    wrapper = ("strace", "-f", "-o", str(trace), *delay)
    deadline = "deadline = 0.5"
    with Service() as service:
        config = rest(service.url, top=deadline)
        with Program(tmp_path, config, log=log, wrapper=wrapper) as program:
            assert [program.ask(auth()) for _ in range(100)] == [ALLOW] * 100
            assert len(log.read_text().splitlines()) < 10
            program.close_input()
            assert program.wait() == 0
    assert "write(" in trace.read_text()
