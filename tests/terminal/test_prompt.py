"""A credential comes from a terminal or from standard input, and no error message contains it."""

import io
import os
import pty
import sys
import time

import pytest

from extauth_http.protocol.packet_parser import MAX_PACKET
from extauth_http.terminal.prompt import CredentialInputError, read_credential
from tests.credentials import PASSWORD


def pipe(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="ascii"))


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\nmore\n"])
def test_it_is_the_first_line_of_standard_input(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    pipe(monkeypatch, f"{PASSWORD}{end}".encode())
    assert read_credential("password", "") == PASSWORD


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no token given"),
        (b"\n", "no token given"),
        (b"\r\nswordfish\n", "no token given"),
        (b"swordfish\xff\n", "the token on standard input is not UTF-8"),
        (b"swordfish" * 10_000, "the token is longer than a packet"),
        (b"f" * (MAX_PACKET - 1) + "é".encode() + b"ish", "the token is longer than a packet"),
    ],
)
def test_unusable_input_is_an_error_without_the_input(
    monkeypatch: pytest.MonkeyPatch, data: bytes, message: str
) -> None:
    pipe(monkeypatch, data)
    with pytest.raises(CredentialInputError, match=message) as caught:
        read_credential("token", "")
    assert "fish" not in str(caught.value)
    assert "0xff" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_line_as_long_as_a_packet_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe(monkeypatch, b"x" * (MAX_PACKET - 1) + b"\n")
    assert len(read_credential("password", "")) == MAX_PACKET - 1


def test_a_closed_standard_input_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(CredentialInputError, match="no password given"):
        read_credential("password", "")


ASK = """
from extauth_http.terminal.prompt import CredentialInputError, read_credential
try:
    print("length", len(read_credential("password", "Password of alice: ")))
except CredentialInputError as error:
    print("error", error)
"""


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (b"swordfish\n", b"length 9"),
        (b"\x04", b"error no password given"),  # Ctrl-D
        (b"\n", b"error no password given"),
    ],
)
def test_a_terminal_shows_the_prompt_and_no_echo(typed: bytes, expected: bytes) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", ASK])
    output = read_until(terminal, b"Password of alice: ")
    os.write(terminal, typed)
    output += read_until(terminal, expected)
    os.close(terminal)
    os.waitpid(pid, 0)
    assert b"swordfish" not in output


def read_until(terminal: int, expected: bytes) -> bytes:
    output = b""
    end = time.monotonic() + 30
    while expected not in output and time.monotonic() < end:
        try:
            output += os.read(terminal, 4096)
        except OSError:  # the process has ended
            break
    assert expected in output
    return output
