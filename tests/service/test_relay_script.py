"""The relay as a single file runs on a Python without packages."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.program import ALLOW, DENY, EXECUTABLE, UNDECIDED, auth, setpass
from tests.service.processes import ENVIRONMENT, ServeProcess

PYTHON = os.path.realpath(sys.executable)
ISOLATED = (PYTHON, "-I", "-S")
"""Python without site-packages: every module that is not of the standard library is missing."""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    printed = subprocess.run(
        [EXECUTABLE, "relay", "--print-script"], capture_output=True, check=True, env=ENVIRONMENT
    )
    file = tmp_path / "extauth-http-relay"
    file.write_bytes(printed.stdout)
    file.chmod(0o755)
    return file


def run(
    script: Path, *options: str | Path, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    command: list[str | Path] = [*ISOLATED, script, *options]
    return subprocess.run(command, input=stdin, capture_output=True, cwd="/", env={})


def test_it_passes_packets_to_a_real_service(script: Path, serving: ServeProcess) -> None:
    packets = auth(password="right") + auth(password="wrong") + auth(password="x" * 60_000)
    done = run(script, "--socket", serving.socket, stdin=packets)
    assert (done.returncode, done.stdout, done.stderr) == (0, ALLOW + DENY + ALLOW, b"")


def test_it_starts_by_its_first_line(script: Path, serving: ServeProcess) -> None:
    command: list[str | Path] = [script, f"--socket={serving.socket}"]
    done = subprocess.run(command, input=auth(), capture_output=True, env={})
    assert (done.returncode, done.stdout) == (0, ALLOW)


@pytest.mark.parametrize(
    ("options", "replies"),
    [((), UNDECIDED * 2), (("--dialect", "boolean"), DENY * 2)],
)
def test_it_is_undecided_without_a_service(
    script: Path, tmp_path: Path, options: tuple[str, ...], replies: bytes
) -> None:
    done = run(script, "--socket", tmp_path / "none", *options, stdin=auth() + setpass())
    assert (done.returncode, done.stdout) == (0, replies)
    assert b"No such file or directory" in done.stderr


@pytest.mark.parametrize("options", [("--help",), ("--deadline", "60"), ("--unknown", "x")])
def test_a_usage_error_is_printed_and_not_guessed(script: Path, options: tuple[str, ...]) -> None:
    done = run(script, *options)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"usage: extauth-http-relay")
