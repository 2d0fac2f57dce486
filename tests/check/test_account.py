"""Whom ejabberd runs as, and what that one may do."""

import os
import pwd
from pathlib import Path

import pytest

from extauth_http.check import account as module
from extauth_http.check.account import Account, AccountNotFoundError

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def test_a_name_that_nobody_has_is_refused() -> None:
    with pytest.raises(AccountNotFoundError, match="no account is called nobody-at-all"):
        Account("nobody-at-all")


def test_without_a_name_it_is_the_account_of_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DEFAULT", "nobody")
    found = Account(None)
    assert (found.name, found.is_guessed) == ("nobody", False)


def test_where_that_is_not_there_it_is_whoever_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DEFAULT", "nobody-at-all")
    found = Account(None)
    assert (found.uid, found.is_guessed, found.is_self) == (os.geteuid(), True, True)


def test_a_number_without_an_account_is_who_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DEFAULT", "nobody-at-all")
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    found = Account(None)
    assert (found.name, found.runs_as, found.is_guessed) == ("54321", "54321", True)


@AS_ROOT
def test_what_the_account_may_is_asked_as_the_account(public: Path) -> None:
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


def test_what_fails_or_hangs_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    me = Account(pwd.getpwuid(os.geteuid()).pw_name)
    monkeypatch.setattr(module, "SECONDS", 0.1)
    assert me.run("false") is None
    assert me.run("sleep", "5") is None
    assert me.run("/nowhere/program") is None
