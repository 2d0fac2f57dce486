"""The small parser of a relay and argparse accept the same arguments."""

import subprocess
import sys
from pathlib import Path

import pytest

from extauth_http import cli
from extauth_http.service.relay_arguments import (
    DEFAULT_DEADLINE,
    DEFAULT_DIALECT,
    DEFAULT_SOCKET,
    parse_arguments,
)
from tests.integration.program import EXECUTABLE

DEFAULTS = (DEFAULT_SOCKET, DEFAULT_DIALECT, DEFAULT_DEADLINE)


def by_argparse(arguments: list[str]) -> tuple[str, str, float]:
    parsed = cli.parse(["relay", *arguments])
    return parsed.socket, parsed.dialect, parsed.deadline


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], DEFAULTS),
        (["--socket", "/a=b"], ("/a=b", *DEFAULTS[1:])),
        (["--socket=/a=b"], ("/a=b", *DEFAULTS[1:])),
        (["--dialect=boolean", "--deadline=3.5"], (DEFAULT_SOCKET, "boolean", 3.5)),
        (["--dialect", "ejabberd", "--deadline", "28"], (DEFAULT_SOCKET, "ejabberd", 28.0)),
        (["--deadline", "0.1", "--deadline", "2"], (*DEFAULTS[:2], 2.0)),
    ],
)
def test_both_parsers_read_the_same_values(
    arguments: list[str], expected: tuple[str, str, float]
) -> None:
    assert parse_arguments(arguments) == by_argparse(arguments) == expected


DEADLINE = "argument --deadline: expected 0.1 to 28 seconds, not '"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        *(
            (["--deadline", text], DEADLINE + text)
            for text in ("nan", "inf", "-1", "0", "1e9", "x")
        ),
        *(([f"--deadline={text}"], DEADLINE + text) for text in ("nan", "-inf", "28.1", "")),
        (["--dialect=prosody"], "argument --dialect: invalid choice: 'prosody'"),
        (["--socket"], "argument --socket: expected one argument"),
        (["--socket", "--dialect", "boolean"], "argument --socket: expected one argument"),
        (["--workers", "2"], "unrecognized arguments: --workers 2"),
        (["--config=c.toml"], "relay does not use --config"),
        (["somewhere"], "unrecognized arguments: somewhere"),
    ],
)
def test_an_unusable_argument_is_an_error(arguments: list[str], error: str) -> None:
    done = subprocess.run(
        [EXECUTABLE, "relay", *arguments], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert error in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("options", [[], ["--socket", "{}"], ["--socket={}", "--deadline=5"]])
def test_a_relay_does_not_import_argparse(tmp_path: Path, options: list[str]) -> None:
    code = (
        "import sys\nfrom extauth_http.__main__ import main\n"
        "main()\nprint(*sys.modules, file=sys.stderr)"
    )
    arguments = [option.format(tmp_path / "s") for option in options]
    done = subprocess.run(
        [sys.executable, "-c", code, "relay", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    assert not {"argparse", "re", "socket", "signal", "extauth_http.cli"} & {*done.stderr.split()}
