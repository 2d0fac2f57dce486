"""Whatever a program does wrong when ejabberd starts it is seen and named, and nothing is left."""

import os
import re
import sys
import time
from pathlib import Path

import pytest

from extauth_http.check.account import Account
from extauth_http.check.login import Login
from extauth_http.check.program import probe as as_ejabberd_starts_it
from extauth_http.check.program.probe import Seen, watch
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
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits 30 s for ejabberd waits 2 s here."""
    monkeypatch.setattr(as_ejabberd_starts_it, "GIVES_UP", 2.0)
    monkeypatch.setattr(as_ejabberd_starts_it, "END", 1.0)


def run(folder: Path, account: Account, change: dict[str, str], login: Login | None) -> Seen:
    file = folder / "program.py"
    file.write_text(ANSWERING.format(**{**GOOD, **change}))
    return watch(f"{sys.executable} {file}", "example.org", account, login)


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
def test_a_program_is_told_by_what_it_does(
    tmp_path: Path,
    account: Account,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, str],
    expected: set[str],
) -> None:
    if "program-slow" in expected:
        monkeypatch.setattr(as_ejabberd_starts_it, "SLOW", 0.5)
    login = Login("alice", "example.org", PASSWORD)
    began = time.monotonic()
    seen = run(tmp_path, account, change, login)
    took = time.monotonic() - began
    ids = {each.id for each in seen.findings}
    assert expected <= ids
    assert expected >= {each.id for each in seen.findings if each.level}
    assert took < 15  # a bound, whatever it does
    assert not shown(str(seen).encode())
    assert not processes(str(tmp_path))
    assert not processes("987.5")


def test_every_finding_has_a_program_that_shows_it() -> None:
    source = Path(as_ejabberd_starts_it.__file__).read_text()
    known = set(re.findall(r'(?:good|warning|broken)\(\s*"([a-z0-9-]+)"', source))
    assert known == set.union(*(ids for _, ids in PROGRAMS)) | {"program-cannot-start"}


UNSTARTED = [
    ("missing", None, 0o755, "{file} is not there", ""),
    ("not executable", "#!/bin/sh\n", 0o644, "may not run {file}", "chmod a+rx {file}"),
    ("CRLF", "#!/bin/sh\r\ncat\r\n", 0o755, "line ends of Windows", "sed -i 's/\\r$//' {file}"),
    ("no interpreter", "#!/nowhere/python\n", 0o755, "/nowhere/python", ""),
]


@pytest.mark.parametrize(("text", "mode", "said", "line"), [each[1:] for each in UNSTARTED])
def test_a_program_that_cannot_be_started_says_why_and_what_mends_it(
    tmp_path: Path, account: Account, text: str | None, mode: int, said: str, line: str
) -> None:
    file = tmp_path / "program"
    if text is not None:
        file.write_text(text)
        file.chmod(mode)
    (finding,) = watch(f"{file} --option", "example.org", account, None).findings
    assert finding.id == "program-cannot-start"
    assert said.format(file=file) in finding.found
    assert finding.line == line.format(file=file)
    assert finding.details


def test_a_folder_is_no_program(tmp_path: Path, account: Account) -> None:
    (finding,) = watch(str(tmp_path), "example.org", account, None).findings
    assert "is a folder" in finding.found


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_program_in_a_closed_folder_is_told_by_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o700)
    (folder / "program").write_text("#!/bin/sh\n")
    (folder / "program").chmod(0o755)
    (finding,) = watch(f"{folder}/program", "example.org", Account("nobody"), None).findings
    assert "nobody cannot get into" in finding.found
    assert finding.id == "program-cannot-start"


def test_a_program_that_is_no_script_and_no_shell_script_ends(
    tmp_path: Path, account: Account
) -> None:
    file = tmp_path / "program"
    file.write_text("import sys\nsys.stdin.read()\n")
    file.chmod(0o755)
    (finding,) = watch(str(file), "example.org", account, None).findings
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
def test_a_program_that_quotes_the_password_does_not_get_it_into_a_finding(
    tmp_path: Path, account: Account, before: str
) -> None:
    login = Login("alice", "example.org", PASSWORD)
    seen = run(tmp_path, account, {"before": before, "answer": "2 if is_alice else 0"}, login)
    assert any(each.level for each in seen.findings)
    told = str(seen.findings)
    assert not shown(told.encode())
    assert PASSWORD[::-1] not in told
    assert PASSWORD[:8] not in told


def test_the_environment_is_almost_empty_and_the_folder_is_the_root(
    tmp_path: Path, account: Account
) -> None:
    telling = {"first": "sys.stderr.write(os.getcwd() + ' ' + ' '.join(sorted(os.environ)))"}
    (finding,) = run(tmp_path, account, {**telling, "before": "sys.exit(1)"}, None).findings
    folder, *names = finding.details[0].split()
    assert folder == "/"
    assert set(names) <= {"HOME", "PATH", "PWD", "LC_CTYPE", "OLDPWD", "_"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_as_root_the_program_runs_as_the_account(tmp_path: Path) -> None:
    telling = "/usr/bin/python3 -c 'import os, sys; sys.exit(str(os.getresuid() + os.getresgid()))'"
    nobody = Account("nobody")
    (finding,) = watch(telling, "example.org", nobody, None).findings
    assert finding.details == (str((nobody.uid,) * 3 + (nobody.gid,) * 3),)


def test_a_login_of_another_host_is_not_tried(tmp_path: Path, account: Account) -> None:
    seen = run(tmp_path, account, {}, Login("alice", "other.example", PASSWORD))
    assert not {each.id for each in seen.findings} & {"program-user", "program-user-refused"}


def test_the_time_of_a_login_is_that_of_an_auth(tmp_path: Path, account: Account) -> None:
    """Who exists is often answered faster, and would promise too many logins a second."""
    seen = run(tmp_path, account, {"before": "time.sleep(0.1 * is_auth)"}, None)
    assert seen.latency
    assert seen.latency >= 0.1


@pytest.mark.parametrize("line", ["/bin/true \0", f"/bin/true {'x' * 200_000}"])
def test_a_line_that_no_program_can_get_is_named(account: Account, line: str) -> None:
    (finding,) = watch(line, "example.org", account, None).findings
    assert finding.id == "program-cannot-start"
