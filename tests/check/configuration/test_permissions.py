"""Who can read and write the files of a configuration."""

import os
from pathlib import Path

import pytest

from extauth_http.check.account import Account
from extauth_http.check.configuration import permissions
from extauth_http.check.finding import Level
from tests.check.configuration.files import BACKEND, SECRET, found_of, written
from tests.check.findings import bad, ids, one

AS_ROOT = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can run programs as another account"
)


@pytest.mark.parametrize("secret", ["inline", "file", "key"])
def test_a_file_with_a_secret_that_everyone_can_read_is_a_warning(
    tmp_path: Path, account: Account, secret: str
) -> None:
    held = tmp_path / "secret"
    held.write_text("swordfish")
    held.chmod(0o644)
    text = BACKEND + SECRET
    if secret == "file":
        text = text.replace("token =", "token_file =").replace("swordfish", str(held))
    elif secret == "key":
        import trustme

        trustme.CA().issue_cert("x").private_key_and_cert_chain_pem.write_to_path(str(held))
        text = BACKEND.replace("http:", "https:") + f"[backend.tls]\nclient_cert = '{held}'\n"
    file = written(tmp_path, text, 0o644)
    open_one = file if secret == "inline" else held
    found = found_of(file, account)
    assert bad(found) == {"secret-readable"}
    assert str(open_one) in one(found, "secret-readable").found
    assert os.system(one(found, "secret-readable").line) == 0
    assert not bad(found_of(file, account))
    assert "swordfish" not in str(found)


def test_a_configuration_of_serve_need_not_be_readable_for_ejabberd(tmp_path: Path) -> None:
    file = written(tmp_path, "[log]\nfile = '/nowhere/log'\n" + BACKEND + SECRET, 0o604)
    found = found_of(file, None)
    assert bad(found) == {"secret-readable"}
    assert os.system(one(found, "secret-readable").line) == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert not bad(found_of(file, None))


def test_a_configuration_that_everyone_can_write_is_broken(
    tmp_path: Path, account: Account
) -> None:
    file = written(tmp_path, BACKEND, 0o666)
    finding = one(found_of(file, account), "config-writable")
    assert finding.level is Level.BROKEN
    assert os.system(finding.line) == 0
    assert not bad(found_of(file, account))


@AS_ROOT
def test_the_line_makes_an_unreadable_file_readable(public: Path) -> None:
    nobody = Account("nobody")
    file = written(public, BACKEND, 0o600)
    finding = one(found_of(file, nobody), "config-unreadable")
    assert os.system(finding.line) == 0
    assert "config-readable" in ids(found_of(file, nobody))


@AS_ROOT
def test_a_folder_that_ejabberd_cannot_enter_is_named(public: Path) -> None:
    closed = public / "closed"
    closed.mkdir(mode=0o700)
    finding = one(found_of(written(closed, BACKEND), Account("nobody")), "config-folder")
    assert f"nobody cannot enter {closed}" in finding.found
    assert "/etc/ejabberd/extauth-http.toml" in finding.line


@AS_ROOT
def test_the_line_makes_an_unwritable_log_writable(public: Path) -> None:
    nobody = Account("nobody")
    log = public / "extauth.log"
    file = written(public, f"[log]\nfile = '{log}'\n" + BACKEND, 0o644)
    finding = one(found_of(file, nobody), "log-unwritable")
    assert os.system(finding.line) == 0
    assert not bad(found_of(file, nobody))


@AS_ROOT
def test_a_log_in_a_closed_folder_is_to_be_moved(public: Path) -> None:
    closed = public / "closed"
    closed.mkdir(mode=0o700)
    (closed / "extauth.log").touch()
    file = written(public, f"[log]\nfile = '{closed}/extauth.log'\n" + BACKEND, 0o644)
    finding = one(found_of(file, Account("nobody")), "log-unwritable")
    assert finding.line == 'file = "/var/log/ejabberd/extauth.log"'


def test_without_root_the_readability_is_unknown(
    tmp_path: Path, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.can_become = False
    found = found_of(written(tmp_path, BACKEND), account)
    assert bad(found) == {"config-readable-unknown"}


def test_secrets_and_a_log_with_the_right_permissions_are_good(
    tmp_path: Path, account: Account
) -> None:
    text = f"[log]\nfile = '{tmp_path}/log'\n" + BACKEND + SECRET
    found = found_of(written(tmp_path, text), account)
    assert {"secrets", "log-writable"} <= ids(found)
    assert not bad(found)


def test_a_log_in_a_missing_folder_has_the_line_that_creates_it(
    tmp_path: Path, account: Account
) -> None:
    found = found_of(written(tmp_path, "[log]\nfile = '/nowhere/log'\n" + BACKEND), account)
    assert bad(found) == {"log-unwritable"}
    line = f"install -d -o {account.name} -g {account.group} -m 750 /nowhere"
    assert one(found, "log-unwritable").line == line


@pytest.mark.parametrize(
    ("program", "output", "is_lost"),
    [
        ("/usr/lib/erlang/erts-13/bin/beam.smp", "/dev/null", True),
        ("/usr/lib/erlang/erts-13/bin/beam.smp", "socket:[4711]", False),
        ("/usr/bin/sleep", "/dev/null", False),
    ],
)
def test_a_log_on_a_standard_error_that_is_lost_is_a_warning(
    tmp_path: Path,
    account: Account,
    monkeypatch: pytest.MonkeyPatch,
    program: str,
    output: str,
    is_lost: bool,
) -> None:
    process = tmp_path / "proc" / "17"
    (process / "fd").mkdir(parents=True)
    (process / "exe").symlink_to(program)
    (process / "fd" / "2").symlink_to(output)
    (tmp_path / "proc" / "18").mkdir()  # a process that has ended
    monkeypatch.setattr(permissions, "PROCESSES", tmp_path / "proc")
    file = written(tmp_path, BACKEND, 0o640)
    assert bad(found_of(file, account)) == ({"log-lost"} if is_lost else set())
    log = f"[log]\nfile = '{tmp_path}/log'\n"
    assert not bad(found_of(written(tmp_path, log + BACKEND, 0o640), account))
