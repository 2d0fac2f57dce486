"""The account that ejabberd runs as, and what it can do."""

import os
import pwd
from pathlib import Path

import pytest

from extauth_http.check import account as module
from extauth_http.check.account import Account, AccountNotFoundError

AS_ROOT = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can run programs as another account"
)


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(AccountNotFoundError, match="there is no account nobody-at-all"):
        Account("nobody-at-all")


def test_without_a_name_it_is_the_account_of_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DEFAULT", "nobody")
    found = Account(None)
    assert (found.name, found.is_guessed) == ("nobody", False)


def test_if_that_does_not_exist_it_is_the_account_of_this_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "DEFAULT", "nobody-at-all")
    found = Account(None)
    assert (found.uid, found.is_guessed, found.is_self) == (os.geteuid(), True, True)


def test_a_number_without_an_account_is_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DEFAULT", "nobody-at-all")
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    found = Account(None)
    assert (found.name, found.runs_as, found.is_guessed) == ("54321", "54321", True)


@AS_ROOT
def test_permissions_are_those_of_the_account(public: Path) -> None:
    file = public / "file"
    file.write_text("x")
    file.chmod(0o600)
    nobody, root = Account("nobody"), Account("root")
    assert (root.can("-r", file), nobody.can("-r", file)) == (True, False)
    file.chmod(0o644)
    assert nobody.can("-r", file)
    assert not nobody.can("-w", file)
    assert nobody.run("id", "-un") == b"nobody\n"
    assert nobody.run("id", "-Gn") == f"{nobody.group}\n".encode()


def test_a_program_that_fails_or_hangs_has_no_output(monkeypatch: pytest.MonkeyPatch) -> None:
    me = Account(pwd.getpwuid(os.geteuid()).pw_name)
    monkeypatch.setattr(module, "TIMEOUT", 0.1)
    assert me.run("false") is None
    assert me.run("sleep", "5") is None
    assert me.run("/nowhere/program") is None
