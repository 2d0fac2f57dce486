"""``extauth-http check`` as a process: its exit codes, its outputs, and what they never contain."""

import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.check.checking import ME, YML, check
from tests.credentials import PASSWORD, shown
from tests.integration.program import EXECUTABLE


def test_without_problems_the_exit_code_is_0_and_the_output_is_plain(yml: Path) -> None:
    checked = check("--ejabberd-yml", yml, "--user", "alice@example.org", password=PASSWORD)
    assert checked.returncode == 0, checked.stdout
    assert checked.stdout.endswith("✔ No problems found.\n")
    assert "\x1b" not in checked.stdout
    assert checked.stderr == ""
    for text in ("The service", "Virtual host example.org", "auth of alice@example.org: allow"):
        assert text in checked.stdout
    assert not shown(checked.stdout.encode())


def test_a_warning_is_1_and_a_problem_is_2(yml: Path, config: Path) -> None:
    text = yml.read_text()
    yml.write_text(text.replace("[X-OAUTH2]", "[]"))
    assert check("--ejabberd-yml", yml).returncode == 1
    yml.write_text(text.replace("false", "true"))
    checked = check("--ejabberd-yml", yml)
    assert checked.returncode == 2
    assert "      auth_use_cache: false\n" in checked.stdout


def test_json_is_one_line_with_all_findings(yml: Path) -> None:
    yml.write_text(yml.read_text().replace("false", "true"))
    checked = check(
        "--ejabberd-yml", yml, "--user", "alice@example.org", "--json", password=PASSWORD
    )
    (line,) = checked.stdout.splitlines()
    whole = json.loads(line)
    assert (whole["verdict"], whole["exit_code"], checked.returncode) == ("broken", 2, 2)
    (finding,) = [each for each in whole["findings"] if each["level"] != "good"]
    assert (finding["id"], finding["line"]) == ("cache-on", "auth_use_cache: false")
    assert {"backend-user", "program-user"} <= {each["id"] for each in whole["findings"]}
    assert not shown(checked.stdout.encode())


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_reader_that_is_gone_from_the_beginning_causes_no_message(
    config: Path, more: list[str]
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    words: list[str | Path] = [EXECUTABLE, "--config", config, "check", "--run-as", ME, *more]
    with os.fdopen(writing) as closed:
        ended = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=closed, stderr=-1)
    assert ended.stderr == b""


@pytest.mark.parametrize("period", ["0s", "2d", "60"])
def test_clients_reconnect_within_a_second_to_a_day(config: Path, period: str) -> None:
    checked = check("--config", config, "--within", period)
    assert checked.returncode == 2
    assert "argument --within: expected" in checked.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--run-as", "nobody-at-all"], "--run-as: there is no account nobody-at-all"),
        (["--user", "alice"], "--user: expected a JID"),
        (["--host", "example.org"], "--host: requires --ejabberd-yml"),
        (["--clients", "10"], "--clients: requires --ejabberd-yml"),
        (["--within", "10s"], "--within: requires --clients"),
        (["--user", "alice@example.org"], "--user: no password given"),
        (["--api", "ftp://x"], "--api: expected a URL"),
        (["--api", "http://admin:hunter2@127.0.0.1/api"], "without user and password"),
    ],
)
def test_an_unusable_argument_is_one_line_on_standard_error(
    config: Path, arguments: list[str], message: str
) -> None:
    checked = check("--config", config, *arguments)
    assert checked.returncode == 2
    assert checked.stdout == ""
    assert message in checked.stderr
    assert len(checked.stderr.splitlines()) == 1
    assert "hunter2" not in checked.stderr


def test_the_password_is_in_no_argument_environment_or_log(
    yml: Path, config: Path, tmp_path: Path
) -> None:
    """The program of the test reads the command lines and environments of all processes."""
    spy = tmp_path / "spy"
    spy.write_text(
        f"#!/bin/sh\ncat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null > {tmp_path}/seen\n"
        f'exec "$@" 2> {tmp_path}/stderr\n'
    )
    spy.chmod(0o755)
    yml.write_text(yml.read_text().replace('program: "', f'program: "{spy} '))
    checked = check("--ejabberd-yml", yml, "--user", "alice@example.org", password=PASSWORD)
    assert checked.returncode == 0, checked.stdout
    seen = (tmp_path / "seen").read_bytes()
    assert b"alice@example.org" in seen
    assert not shown(seen)
    assert (tmp_path / "log").exists()
    assert not shown((tmp_path / "log").read_bytes() + (tmp_path / "stderr").read_bytes())


def test_a_user_of_an_unknown_host_has_the_line_that_adds_the_host(yml: Path) -> None:
    checked = check("--ejabberd-yml", yml, "--user", "alice@other.org", "--json", password=PASSWORD)
    (finding,) = [
        each for each in json.loads(checked.stdout)["findings"] if each["level"] != "good"
    ]
    assert finding["id"] == "user-host"
    assert finding["line"] == "hosts: [example.org, other.org]"


def test_a_reader_that_closes_its_input_causes_no_traceback(yml: Path) -> None:
    command = f"{EXECUTABLE} check --run-as {ME} --ejabberd-yml {yml} | head -c 1"
    ended = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert "Traceback" not in ended.stderr


def test_at_a_terminal_the_password_is_prompted_for_without_echo(yml: Path) -> None:
    pid, terminal = pty.fork()
    if pid == 0:  # pragma: no cover - becomes the program
        os.environ["TERM"] = "xterm"
        words = ["check", "--run-as", ME, "--ejabberd-yml", str(yml), "--user"]
        os.execv(EXECUTABLE, [str(EXECUTABLE), *words, "alice@example.org"])
    output = b""
    due = time.monotonic() + 60
    try:
        while b"Password of alice@example.org" not in output and time.monotonic() < due:
            output += os.read(terminal, 4096)
        time.sleep(0.3)
        os.write(terminal, PASSWORD.encode() + b"\n")
        while time.monotonic() < due:
            output += os.read(terminal, 4096)
    except OSError:  # the terminal's other end is closed
        pass
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0, output
    assert b"\x1b[" in output
    assert "✔ No problems found.".encode() in output
    assert not shown(output)


EVIL = r"""
hosts: ["a\e[31m\e]0;x\a.org", "[red]b.org[red]"]
auth_method: [external, "\e[2J", "[bold]x[/bold]"]
disable_sasl_mechanisms: ["\x9b2J"]
extauth_program: "/nowhere/[link=x]\e[31m"
"""


@pytest.mark.parametrize("output", [[], ["--json"]])
def test_nothing_in_ejabberd_yml_controls_the_terminal(yml: Path, output: list[str]) -> None:
    yml.write_text(EVIL)
    checked = check("--ejabberd-yml", yml, *output)
    assert checked.returncode == 2
    assert checked.stderr == ""
    assert all(each.isprintable() or each == "\n" for each in checked.stdout)
    for kept in ("[red]b.org[red]", "[bold]x[/bold]"):
        assert kept in checked.stdout


STOPPED_AT_START = """
import sys
from extauth_http.check.program.pool_member import PoolMember
from extauth_http.cli import main

PoolMember.__enter__ = lambda member: sys.exit(143)
main(sys.argv[1:])
"""
"""The check ends after the start of the program and before it can use it."""


@pytest.mark.parametrize("at_start", [False, True])
def test_a_check_that_is_stopped_ends_its_program(
    yml: Path, tmp_path: Path, at_start: bool
) -> None:
    program, sleep, started = (tmp_path / name for name in ("hangs", "sleep", "started"))
    sleep.symlink_to("/bin/sleep")
    program.write_text(f"#!/bin/sh\ntouch {started}\ntrap '' HUP TERM\n{sleep} 321.5\n")
    program.chmod(0o755)
    yml.write_text(YML.replace("{program} --config {config}", str(program)))
    command: list[str | Path] = (
        [sys.executable, "-c", STOPPED_AT_START] if at_start else [EXECUTABLE]
    )
    words: list[str | Path] = [*command, "check", "--run-as", ME, "--ejabberd-yml", yml]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as running:
        while not (at_start or started.exists()):
            assert running.poll() is None
            time.sleep(0.02)
        if not at_start:
            running.terminate()
        assert running.wait(20) == 128 + 15
    left = [
        line
        for file in Path("/proc").glob("[0-9]*/cmdline")
        if str(sleep) in (line := _read(file)) or str(program) in line
    ]
    assert left == []


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
