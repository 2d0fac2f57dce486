"""Whatever a program does wrong when ejabberd starts it is seen and named."""

import sys
from pathlib import Path

import pytest

from extauth_http.check.account import Account
from extauth_http.check.as_ejabberd_starts_it import watch
from extauth_http.check.login import Login

ANSWERING = """
import os, sys
{first}
while True:
    head = os.read(0, 2)
    if not head:
        break
    asked = os.read(0, int.from_bytes(head, "big"))
    {before}
    os.write(1, b"\\0\\2\\0" + bytes([{answer}]))
    {after}
{last}
"""
GOOD = {"first": "", "before": "", "answer": "0", "after": "", "last": ""}

PROGRAMS = [
    ({}, {"program-answers", "program-refuses", "program-ends"}),
    ({"answer": "asked.startswith(b'auth')"}, {"program-lets-everyone-in"}),
    ({"answer": "1"}, {"program-knows-everybody", "program-lets-everyone-in"}),
    ({"answer": "2"}, {"program-undecided"}),
    ({"first": "print('started', flush=True)"}, {"program-stray-output"}),
    ({"before": "print('x', flush=True)"}, {"program-stray-output"}),
    ({"after": "print('x', flush=True)"}, {"program-stray-output"}),
    ({"before": "sys.exit(3)"}, {"program-exits"}),
    ({"before": "os.close(1); import time; time.sleep(9)"}, {"program-exits"}),
    ({"last": "import time; time.sleep(9)"}, {"program-stays"}),
]


@pytest.fixture
def account() -> Account:
    import getpass

    return Account(getpass.getuser())


@pytest.mark.parametrize(("change", "expected"), PROGRAMS)
def test_a_program_is_told_by_what_it_does(
    tmp_path: Path, account: Account, change: dict[str, str], expected: set[str]
) -> None:
    file = tmp_path / "program.py"
    file.write_text(ANSWERING.format(**{**GOOD, **change}))
    seen = watch(f"{sys.executable} {file}", "example.org", account, None)
    assert expected <= {each.id for each in seen.findings}
    assert expected >= {each.id for each in seen.findings if each.level}


@pytest.mark.parametrize(("line", "said"), [("/nowhere/program", "127"), ("/etc/passwd", "126")])
def test_a_program_that_cannot_be_started_says_why(account: Account, line: str, said: str) -> None:
    (finding,) = watch(line, "example.org", account, None).findings
    assert finding.id == "program-exits"
    assert f"exit code {said}" in finding.found
    assert finding.details


def test_a_program_that_quotes_the_password_does_not_get_it_into_a_finding(
    tmp_path: Path, account: Account
) -> None:
    file = tmp_path / "program.py"
    quoting = {"before": "sys.stderr.write(asked.decode() + '\\n')", "answer": "2"}
    file.write_text(ANSWERING.format(**{**GOOD, **quoting}))
    login = Login("alice", "example.org", "wonder:land")
    seen = watch(f"{sys.executable} {file}", "example.org", account, login)
    assert "auth:alice:example.org:********" in str(seen.findings)
    assert "wonder:land" not in str(seen.findings)


def test_the_environment_is_almost_empty_and_the_folder_is_the_root(
    tmp_path: Path, account: Account
) -> None:
    file = tmp_path / "program.py"
    telling = {"first": "sys.stderr.write(os.getcwd() + ' ' + ' '.join(sorted(os.environ)))"}
    file.write_text(ANSWERING.format(**{**GOOD, **telling, "before": "sys.exit(1)"}))
    (finding,) = watch(f"{sys.executable} {file}", "example.org", account, None).findings
    folder, *names = finding.details[0].split()
    assert folder == "/"
    assert set(names) <= {"HOME", "PATH", "PWD", "LC_CTYPE", "OLDPWD", "_"}
