"""Tables on standard output."""

import subprocess
import sys

import pytest

PRINT = """
import sys
from extauth_http.terminal.broken_pipe import discard_stdout
from extauth_http.terminal.console import stdout_console
sys.stdin.read()
try:
    stdout_console().print("x\\n" * {count})
    sys.stdout.flush()
except BrokenPipeError:
    discard_stdout()
    sys.exit(7)
"""


@pytest.mark.parametrize("count", [1, 20_000])
def test_a_closed_output_raises_an_error_that_a_command_can_handle(count: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PRINT.format(count=count)],
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
    assert (process.returncode, errors) == (7, b"")
