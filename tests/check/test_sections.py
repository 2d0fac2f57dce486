"""The sections of the report for one ejabberd.yml."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from extauth_http.check.account import Account
from extauth_http.check.finding import Finding
from extauth_http.check.login import Login
from extauth_http.check.sections import Checks
from tests.check.findings import bad, ids, one

REFUSES_EVERYONE = r"""
import os
while head := os.read(0, 2):
    os.read(0, int.from_bytes(head, "big"))
    os.write(1, b"\0\2\0\0")
"""


@pytest.fixture
def checks(tmp_path: Path, account: Account) -> Checks:
    program, file = tmp_path / "program.py", tmp_path / "ejabberd.yml"
    program.write_text(REFUSES_EVERYONE)
    file.write_text(
        "hosts: [example.org]\n"
        "auth_method: [external]\n"
        "auth_use_cache: false\n"
        "disable_sasl_mechanisms: [X-OAUTH2]\n"
        f"extauth_program: {sys.executable} {program}\n"
    )
    return Checks(
        config=None, ejabberd_yml=file, reconnect=None, account=account, api=None, login=None
    )


def findings(checks: Checks) -> list[Finding]:
    return [each for _, found in checks.sections() for each in found]


def test_a_program_that_is_not_ours_is_checked_without_a_configuration(checks: Checks) -> None:
    titles = [title for title, found in checks.sections() if found]
    assert titles == ["Virtual host example.org", f"{checks.ejabberd_yml}, for all hosts"]
    assert {"program-other", "program-refuses", "pool"} <= ids(findings(checks))
    assert not bad(findings(checks))


def test_without_root_the_account_of_the_program_is_a_warning(checks: Checks) -> None:
    checks.account.name, checks.account.can_become = "ejabberd", False
    finding = one(findings(checks), "program-not-as-ejabberd")
    assert "Run this as root to start it as ejabberd" in finding.found


def test_a_guessed_account_is_a_warning(checks: Checks) -> None:
    checks.account.is_guessed = True
    assert bad(findings(checks)) == {"account-guessed"}
    assert "--run-as" in one(findings(checks), "account-guessed").found


def test_an_invalid_file_is_one_finding_with_its_line(checks: Checks) -> None:
    assert checks.ejabberd_yml
    checks.ejabberd_yml.write_text("hosts: [example.org]\nuse_cache: maybe\n")
    finding = one(findings(checks), "ejabberd-yml")
    assert finding.where == f"{checks.ejabberd_yml}:2"
    assert finding.found.startswith("ejabberd does not start with this file: use_cache: ")


def test_a_user_of_an_unknown_host_has_the_line_that_adds_it(checks: Checks) -> None:
    login = Login("alice", "other.org", "wonder:land")
    finding = one(findings(replace(checks, login=login)), "user-host")
    assert finding.line == "hosts: [example.org, other.org]"


def test_only_the_chosen_hosts_are_checked(checks: Checks) -> None:
    assert checks.ejabberd_yml
    text = checks.ejabberd_yml.read_text().replace("[example.org]", "[example.org, other.org]")
    text += "host_config: {other.org: {auth_method: [mnesia]}}\n"
    checks.ejabberd_yml.write_text(text)
    assert bad(findings(checks)) == {"auth-method-not-external"}
    chosen = replace(checks, hosts=("EXAMPLE.org",))
    assert not bad(findings(chosen))
    assert "Virtual host other.org" not in [title for title, _ in chosen.sections()]


def test_a_chosen_host_that_does_not_exist_is_a_problem(checks: Checks) -> None:
    finding = one(findings(replace(checks, hosts=("other.org",))), "host-missing")
    assert "other.org: not a virtual host of this ejabberd" in finding.found
