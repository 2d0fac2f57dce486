"""The AppArmor profile of ejabberd, and the programs that it does not let ejabberd start."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from extauth_http.check.account import Account
from extauth_http.check.finding import Finding, Level
from extauth_http.check.program import apparmor

ENFORCED = "/usr/sbin/ejabberdctl (enforce)"
COMPLAINING = "/usr/sbin/ejabberdctl (complain)"
PROGRAM = "/opt/extauth-http/bin/extauth-http"
SNIPPET = Path(__file__).parents[3] / "debian" / "apparmor" / "extauth-http"

# Shortened from Debian 12.
PROFILE = """
#include <tunables/global>

/usr/sbin/ejabberdctl {
	#include <abstractions/base>
	/{,usr/}bin/cat					ix,
	/usr/lib/erlang/lib/**.so			rm,
	/usr/lib/@{multiarch}/ImageMagick-*/**		ix,
	/var/lib/ejabberd**				rw,
	#include <local/usr.sbin.ejabberdctl>
}
"""
DENIAL = (
    'audit: type=1400 audit(1764214887.123:42): apparmor="DENIED" operation="exec" '
    f'profile="/usr/sbin/ejabberdctl" name="{PROGRAM}" pid=1234 comm="sh" requested_mask="x" '
    'denied_mask="x" fsuid=110 ouid=0'
)


def findings(
    folder: Path,
    account: Account,
    *,
    program: str = PROGRAM,
    loaded: str | None = ENFORCED,
    rules: str = "",
    journal: str = "",
) -> list[Finding]:
    (folder / "local").mkdir(exist_ok=True)
    (folder / "usr.sbin.ejabberdctl").write_text(PROFILE)
    (folder / "local" / "usr.sbin.ejabberdctl").write_text(rules)
    file = folder / "profiles"
    if loaded is not None:
        file.write_text(f"docker-default (enforce)\n{loaded}\n")
    account.name = "ejabberd"
    found = apparmor.findings(
        f"{program} --config /etc/x.toml",
        "a.org",
        account,
        loaded=file,
        folder=folder,
        journal=(sys.executable, "-c", f"print({journal!r})"),
    )
    return list(found)


def test_an_enforced_profile_without_a_rule_for_the_program_is_a_warning(
    tmp_path: Path, account: Account
) -> None:
    (found,) = findings(tmp_path, account)
    assert (found.id, found.level, found.details) == ("program-apparmor", Level.WARNING, ())
    assert PROGRAM in found.found


@pytest.mark.parametrize("loaded", [COMPLAINING, "/usr/sbin/other (enforce)", None])
def test_a_profile_that_is_not_enforced_denies_nothing(
    tmp_path: Path, account: Account, loaded: str | None
) -> None:
    assert findings(tmp_path, account, loaded=loaded, journal=DENIAL) == []


@pytest.mark.parametrize(
    "rules",
    [
        f"{PROGRAM} rUx,",
        f'owner "{PROGRAM}" Pix -> extauth,',
        f"Ux {PROGRAM},",
        "/opt/*/bin/extauth-http ix,",
        "/opt/** rix,",
        "/{opt,srv}/extauth-http/bin/extauth-???? ix,",
        "@{PROGRAMS} rw,\n@{HOME}/x r,\n/opt/@{NAME}/bin/* Ux,",
    ],
)
def test_a_rule_for_the_program_lets_it_start(tmp_path: Path, account: Account, rules: str) -> None:
    assert findings(tmp_path, account, rules=rules, journal=DENIAL) == []


@pytest.mark.parametrize(
    "rules",
    [
        f"# {PROGRAM} rUx,",
        f"{PROGRAM} rw,",
        f"deny {PROGRAM} x,",
        "/opt/* ix,",
        "/opt/extauth.http/bin/extauth.http ix,",
        "/opt/extauth-http/bin/ ix,",
        "include <local/usr.sbin.ejabberdctl>\ninclude if exists <local/none>",
    ],
)
def test_other_rules_do_not_let_it_start(tmp_path: Path, account: Account, rules: str) -> None:
    assert [each.id for each in findings(tmp_path, account, rules=rules)] == ["program-apparmor"]


def test_a_denial_that_the_kernel_has_logged_is_a_problem_and_is_shown(
    tmp_path: Path, account: Account
) -> None:
    other = DENIAL.replace(PROGRAM, "/opt/other")
    (found,) = findings(tmp_path, account, journal=f"usb 1-1\n{DENIAL}\n{other}")
    assert (found.level, found.details) == (Level.BROKEN, (DENIAL,))


@pytest.mark.parametrize("word", ["DENIED", "exec", PROGRAM, "/usr/sbin/ejabberdctl"])
def test_another_line_of_the_kernel_is_no_denial(
    tmp_path: Path, account: Account, word: str
) -> None:
    (found,) = findings(tmp_path, account, journal=DENIAL.replace(word, "other"))
    assert found.level is Level.WARNING


def test_the_line_to_copy_adds_the_rule(tmp_path: Path, account: Account) -> None:
    (found,) = findings(tmp_path, account)
    add, _, reload = found.line.partition(" && ")
    subprocess.run(add, shell=True, check=True)
    rules = (tmp_path / "local" / "usr.sbin.ejabberdctl").read_text()
    assert findings(tmp_path, account, rules=rules) == []
    assert shlex.split(reload) == [
        "apparmor_parser",
        "--replace",
        str(tmp_path / "usr.sbin.ejabberdctl"),
    ]


def test_the_snippet_of_the_debian_package_has_the_rule_for_its_program(
    tmp_path: Path, account: Account
) -> None:
    (tmp_path / "abstractions").mkdir()
    (tmp_path / "abstractions" / "extauth-http").write_text(SNIPPET.read_text())
    program = "/usr/bin/extauth-http"
    (found,) = findings(tmp_path, account, program=program)
    assert "include <abstractions/extauth-http>" in found.line
    rules = "include <abstractions/extauth-http>"
    assert findings(tmp_path, account, program=program, rules=rules) == []


def test_a_link_is_followed_because_the_kernel_looks_at_its_target(
    tmp_path: Path, account: Account
) -> None:
    link = tmp_path / "extauth-http"
    link.symlink_to(PROGRAM)
    (found,) = findings(tmp_path, account, program=str(link))
    assert PROGRAM in found.found
    assert findings(tmp_path, account, program=str(link), rules=f"{PROGRAM} ix,") == []


def test_only_an_absolute_path_of_the_account_ejabberd_is_checked(
    tmp_path: Path, account: Account
) -> None:
    assert findings(tmp_path, account, program="env") == []
    account.name = f"user-{os.geteuid()}"
    arguments = {"loaded": tmp_path / "profiles", "folder": tmp_path}
    assert list(apparmor.findings(PROGRAM, "a.org", account, **arguments)) == []  # type: ignore[arg-type]
