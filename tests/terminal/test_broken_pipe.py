"""A command whose reader has gone ends without a message and with its own exit code."""

import subprocess
import sys

import pytest

PRINT = """
import sys
from extauth_http.terminal.broken_pipe import discard_stdout
sys.stdin.read()
try:
    print("x" * 100_000, flush=True)
except BrokenPipeError:
    if {discards}:
        discard_stdout()
print("y" * 100_000)
sys.exit(7)
"""


@pytest.mark.parametrize(("discards", "is_quiet"), [(True, True), (False, False)])
def test_the_flush_at_exit_has_no_error(discards: bool, is_quiet: bool) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PRINT.format(discards=discards)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        process.stdin.close()
        errors = process.stderr.read()
    assert (errors == b"", process.returncode == 7) == (is_quiet, is_quiet)


def test_no_file_descriptor_stays_open() -> None:
    count = """
import os
from extauth_http.terminal.broken_pipe import discard_stdout
before = len(os.listdir("/proc/self/fd"))
discard_stdout()
raise SystemExit(len(os.listdir("/proc/self/fd")) - before)
"""
    assert subprocess.run([sys.executable, "-c", count], check=False).returncode == 0
