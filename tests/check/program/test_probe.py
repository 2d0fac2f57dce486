"""Each fault of a program has a finding, and no process of the program remains."""

import os
import sys
import time
from pathlib import Path

import pytest

from extauth_http.check.account import Account
from extauth_http.check.login import Login
from extauth_http.check.program import exchange
from extauth_http.check.program import probe as module
from extauth_http.check.program.probe import ProbeResult, probe
from tests.check.findings import known
from tests.credentials import PASSWORD, shown

ANSWERING = """
import os, subprocess, sys, time
{first}
while True:
    head = os.read(0, 2)
    if not head:
        break
    asked = os.read(0, int.from_bytes(head, "big"))
    is_auth = asked.startswith(b"auth")
    is_alice = b":alice:" in asked
    {before}
    os.write(1, b"\\0\\2\\0" + bytes([{answer}]))
    {after}
{last}
"""
GOOD = {"first": "", "before": "", "answer": "is_alice", "after": "", "last": ""}
DAEMON = "subprocess.Popen(['sleep', '987.5'], start_new_session=True)"
SILENT_DAEMON = DAEMON.replace(", start", ", stdout=2, stderr=subprocess.DEVNULL, start")

PROGRAMS = [
    ({}, {"program-starts", "program-answers", "program-refuses", "program-user", "program-ends"}),
    ({"answer": "is_auth"}, {"program-lets-everyone-in", "program-user-unknown"}),
    ({"answer": "1"}, {"program-knows-everybody", "program-lets-everyone-in"}),
    ({"answer": "not is_auth or is_alice"}, {"program-knows-everybody"}),
    ({"answer": "2"}, {"program-undecided", "program-isuser-undecided"}),
    ({"answer": "is_alice if is_auth else 2"}, {"program-isuser-undecided"}),
    ({"answer": "2 if is_auth else 0"}, {"program-undecided", "program-user-refused"}),
    ({"answer": "0"}, {"program-user-refused"}),
    ({"first": "print('started', flush=True)"}, {"program-stray-output"}),
    ({"before": "print('x', flush=True)"}, {"program-stray-output"}),
    ({"after": "print('x', flush=True)"}, {"program-stray-output"}),
    ({"after": "is_alice and print('x', flush=True)"}, {"program-stray-output"}),
    ({"first": "while True: os.write(1, b'y' * 65536)"}, {"program-stray-output"}),
    ({"first": "while True: os.write(1, b'\\0\\2\\0\\0' * 1000)"}, {"program-stray-output"}),
    ({"before": "sys.exit(3)"}, {"program-exits"}),
    ({"after": "sys.exit(0)"}, {"program-exits"}),
    ({"before": "os.kill(os.getpid(), 9)"}, {"program-exits"}),
    ({"before": "os.close(1); time.sleep(9)"}, {"program-exits"}),
    ({"before": f"{DAEMON}; sys.exit(1)"}, {"program-exits"}),
    ({"before": "os.write(1, b'\\0\\2\\0'); time.sleep(9)"}, {"program-half-answer"}),
    ({"before": "os.write(1, b'\\0'); time.sleep(9)"}, {"program-half-answer"}),
    ({"before": "time.sleep(9)"}, {"program-silent"}),
    ({"first": "time.sleep(9)"}, {"program-silent"}),
    ({"first": "while True: os.write(2, b'y' * 65536)"}, {"program-silent"}),
    ({"before": "time.sleep(0.7 * is_auth)"}, {"program-slow"}),
    ({"last": "time.sleep(9)"}, {"program-stays"}),
    ({"first": SILENT_DAEMON}, {"program-leaves"}),
]


@pytest.fixture(autouse=True)
def _short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "EJABBERD_TIMEOUT", 2.0)
    monkeypatch.setattr(module, "EXIT_TIMEOUT", 1.0)


def run(folder: Path, account: Account, change: dict[str, str], login: Login | None) -> ProbeResult:
    file = folder / "program.py"
    file.write_text(ANSWERING.format(**{**GOOD, **change}))
    return probe(f"{sys.executable} {file}", "example.org", account, login)


def processes(mark: str) -> list[str]:
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_text().split("\0")
        except OSError:
            continue
        if any(mark in word for word in words):
            found.append(" ".join(words))
    return found


@pytest.mark.parametrize(("change", "expected"), PROGRAMS)
def test_each_behaviour_of_a_program_has_its_findings(
    tmp_path: Path,
    account: Account,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, str],
    expected: set[str],
) -> None:
    if "program-slow" in expected:
        monkeypatch.setattr(module, "SLOW", 0.5)
    login = Login("alice", "example.org", PASSWORD)
    began = time.monotonic()
    result = run(tmp_path, account, change, login)
    took = time.monotonic() - began
    ids = {each.id for each in result.findings}
    assert expected <= ids
    assert expected >= {each.id for each in result.findings if each.level}
    assert took < 15  # the probe always ends
    assert not shown(str(result).encode())
    assert not processes(str(tmp_path))
    assert not processes("987.5")


def test_every_finding_has_a_program_that_shows_it() -> None:
    ids = known(exchange, module)
    assert ids == set.union(*(shown for _, shown in PROGRAMS)) | {"program-cannot-start"}


UNSTARTED = [
    ("missing", None, 0o755, "{file} does not exist", ""),
    ("not executable", "#!/bin/sh\n", 0o644, "may not execute {file}", "chmod a+rx {file}"),
    ("CRLF", "#!/bin/sh\r\ncat\r\n", 0o755, "Windows line ends", "sed -i 's/\\r$//' {file}"),
    ("no interpreter", "#!/nowhere/python\n", 0o755, "/nowhere/python", ""),
]


@pytest.mark.parametrize(("text", "mode", "reason", "line"), [each[1:] for each in UNSTARTED])
def test_a_program_that_cannot_start_has_the_reason_and_the_line_that_fixes_it(
    tmp_path: Path, account: Account, text: str | None, mode: int, reason: str, line: str
) -> None:
    file = tmp_path / "program"
    if text is not None:
        file.write_text(text)
        file.chmod(mode)
    (finding,) = probe(f"{file} --option", "example.org", account, None).findings
    assert finding.id == "program-cannot-start"
    assert reason.format(file=file) in finding.found
    assert finding.line == line.format(file=file)
    assert finding.details


def test_a_folder_is_not_a_program(tmp_path: Path, account: Account) -> None:
    (finding,) = probe(str(tmp_path), "example.org", account, None).findings
    assert "is a folder" in finding.found


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run programs as another account")
def test_a_closed_folder_is_the_reason_for_its_program(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o700)
    (folder / "program").write_text("#!/bin/sh\n")
    (folder / "program").chmod(0o755)
    (finding,) = probe(f"{folder}/program", "example.org", Account("nobody"), None).findings
    assert "nobody cannot enter" in finding.found
    assert finding.id == "program-cannot-start"


def test_a_file_that_the_shell_cannot_interpret_is_broken(tmp_path: Path, account: Account) -> None:
    file = tmp_path / "program"
    file.write_text("import sys\nsys.stdin.read()\n")
    file.chmod(0o755)
    (finding,) = probe(str(file), "example.org", account, None).findings
    assert finding.id in ("program-exits", "program-cannot-start")
    assert finding.details


REFLECTING = [
    "sys.stderr.write(asked.decode() + '\\n'); sys.stderr.flush()",
    "import base64; sys.stderr.write(base64.b64encode(asked).decode() + '\\n'); sys.stderr.flush()",
    "sys.stderr.write(asked.hex() + '\\n'); sys.stderr.flush()",
    "sys.stderr.write(asked.decode()[::-1] + '\\n'); sys.stderr.flush()",
    "is_alice and os.write(1, asked)",
    "is_alice and (os.write(1, asked), sys.exit(1))",
    "is_alice and (os.write(2, asked), sys.exit(1))",
]


@pytest.mark.parametrize("before", REFLECTING)
def test_no_finding_contains_the_password_that_a_program_prints(
    tmp_path: Path, account: Account, before: str
) -> None:
    login = Login("alice", "example.org", PASSWORD)
    result = run(tmp_path, account, {"before": before, "answer": "2 if is_alice else 0"}, login)
    assert any(each.level for each in result.findings)
    text = str(result.findings)
    assert not shown(text.encode())
    assert PASSWORD[::-1] not in text
    assert PASSWORD[:8] not in text


def test_the_program_runs_in_the_root_folder_with_path_and_home_only(
    tmp_path: Path, account: Account
) -> None:
    printing = {"first": "sys.stderr.write(os.getcwd() + ' ' + ' '.join(sorted(os.environ)))"}
    (finding,) = run(tmp_path, account, {**printing, "before": "sys.exit(1)"}, None).findings
    folder, *names = finding.details[0].split()
    assert folder == "/"
    assert set(names) <= {"HOME", "PATH", "PWD", "LC_CTYPE", "OLDPWD", "_"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run programs as another account")
def test_as_root_the_program_runs_as_the_account(tmp_path: Path) -> None:
    printing = (
        "/usr/bin/python3 -c 'import os, sys; sys.exit(str(os.getresuid() + os.getresgid()))'"
    )
    nobody = Account("nobody")
    (finding,) = probe(printing, "example.org", nobody, None).findings
    assert finding.details == (str((nobody.uid,) * 3 + (nobody.gid,) * 3),)


def test_a_user_of_another_host_is_not_tried(tmp_path: Path, account: Account) -> None:
    result = run(tmp_path, account, {}, Login("alice", "other.example", PASSWORD))
    assert not {each.id for each in result.findings} & {"program-user", "program-user-refused"}


def test_the_latency_is_that_of_auth(tmp_path: Path, account: Account) -> None:
    """isuser is often faster, and would promise too many logins per second."""
    result = run(tmp_path, account, {"before": "time.sleep(0.1 * is_auth)"}, None)
    assert result.latency
    assert result.latency >= 0.1


@pytest.mark.parametrize("line", ["/bin/true \0", f"/bin/true {'x' * 200_000}"])
def test_a_command_line_that_cannot_be_passed_on_is_broken(account: Account, line: str) -> None:
    (finding,) = probe(line, "example.org", account, None).findings
    assert finding.id == "program-cannot-start"
