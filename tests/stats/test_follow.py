"""``stats --follow`` reads a log as it grows."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.program import EXECUTABLE, SECONDS
from tests.stats.log_lines import line


@contextlib.contextmanager
def following(file: str | Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [EXECUTABLE, "stats", "--follow", "--json", file], stdout=subprocess.PIPE, **options
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def offset(process: subprocess.Popen[bytes], file: Path) -> int:
    """The position of a process in a file; -1 before it opens the file."""
    for link in Path(f"/proc/{process.pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            if link.stat().st_ino == file.stat().st_ino:
                info = Path(f"/proc/{process.pid}/fdinfo/{link.name}").read_text()
                return int(info.split()[1])
    return -1


def wait_until_read(process: subprocess.Popen[bytes], file: Path) -> None:
    until = time.monotonic() + SECONDS
    while offset(process, file) != file.stat().st_size:
        assert time.monotonic() < until, "the file was not read"
        time.sleep(0.02)


def last_report(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    found = json.loads(process.stdout.read().splitlines()[-1])
    assert process.wait(SECONDS) == 0
    assert isinstance(found, dict)
    return found


def rename(file: Path) -> None:
    file.rename(file.with_suffix(".1"))
    with file.with_suffix(".1").open("ab") as late:
        # The program starts a new line after an incomplete one.
        late.write(b"\n" + line(user="late"))


def rename_incomplete(file: Path) -> None:
    file.rename(file.with_suffix(".1"))


def truncate(file: Path) -> None:
    os.truncate(file, 0)


@pytest.mark.parametrize(
    ("rotate", "answers"), [(rename, 5), (rename_incomplete, 4), (truncate, 4)]
)
def test_a_log_is_followed_across_its_rotation(
    tmp_path: Path, rotate: Callable[[Path], None], answers: int
) -> None:
    file = tmp_path / "log"
    file.write_bytes(line() + line() + line()[:20])
    with following(file) as process:
        wait_until_read(process, file)
        rotate(file)
        with file.open("ab") as opened:
            opened.write(line())
        wait_until_read(process, file)
        with file.open("ab") as opened:
            opened.write(line())
        wait_until_read(process, file)
        found = last_report(process)
    assert found["lines"]["answers"] == answers
    assert found["lines"]["not_json"] == 1


def test_a_pipe_is_followed_to_its_end() -> None:
    with following("-", stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(line())
        process.stdin.flush()
        process.stdin.write(line()[:-1])
        process.stdin.close()
        found = json.loads(process.stdout.read().splitlines()[-1])
        assert process.wait(SECONDS) == 0
    assert found["lines"]["answers"] == 2
