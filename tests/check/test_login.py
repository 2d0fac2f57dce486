"""The user of --user: a JID, and a password that comes from nowhere but a terminal or a pipe."""

import io
import sys

import pytest

from extauth_http.check.login import Login, LoginArgumentError, read_login
from tests.credentials import PASSWORD


def piped(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="ascii"))


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\nmore\n"])
def test_the_password_is_the_first_line_of_standard_input(
    monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    piped(monkeypatch, f"{PASSWORD}{end}".encode())
    found = read_login("Alice@Example.org")
    assert found == Login("alice", "example.org", PASSWORD)
    assert PASSWORD not in repr(found)
    assert found.jid == "alice@example.org"


@pytest.mark.parametrize(
    "jid",
    ["", "alice", "@a.org", "alice@", "a:b@a.org", "alice@a.org/x", "a@b@c", "a b@c", "a\n@c"],
)
def test_what_is_no_jid_is_refused_before_a_password_is_read(
    monkeypatch: pytest.MonkeyPatch, jid: str
) -> None:
    piped(monkeypatch, PASSWORD.encode())
    with pytest.raises(LoginArgumentError, match="expected a JID"):
        read_login(jid)
    assert sys.stdin.buffer.read() == PASSWORD.encode()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no password given"),
        (b"\n", "no password given"),
        (b"swordfish\xff\n", "not UTF-8"),
        (b"sword\0fish\n", "NUL"),
        (b"swordfish" * 10_000, "longer than a packet"),
    ],
)
def test_an_unusable_password_is_refused_and_not_quoted(
    monkeypatch: pytest.MonkeyPatch, data: bytes, why: str
) -> None:
    piped(monkeypatch, data)
    with pytest.raises(LoginArgumentError, match=why) as caught:
        read_login("alice@example.org")
    assert "fish" not in str(caught.value)
    assert "0xff" not in str(caught.value)


def test_a_standard_input_that_is_closed_has_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(LoginArgumentError, match="no password given"):
        read_login("alice@example.org")


def test_at_a_terminal_it_is_asked_for_and_ctrl_d_is_no_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def ctrl_d(_: str) -> str:
        raise EOFError

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", lambda _: PASSWORD)
    assert read_login("alice@example.org").password == PASSWORD
    monkeypatch.setattr("getpass.getpass", ctrl_d)
    with pytest.raises(LoginArgumentError, match="no password given"):
        read_login("alice@example.org")
