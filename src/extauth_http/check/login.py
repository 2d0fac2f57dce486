"""Somebody who can log in, to try it with."""

import getpass
import sys
from dataclasses import dataclass, field

from extauth_http.protocol.jid import Jid
from extauth_http.protocol.packets import MAX_PACKET


class LoginArgumentError(Exception):
    """What was given is no JID, or there is no password. Nothing of a password is in its text."""


@dataclass(frozen=True, slots=True)
class Login:
    """A user of a virtual host and the password; the latter never shows in ``repr``."""

    user: str
    host: str
    password: str = field(repr=False)

    @property
    def jid(self) -> str:
        return f"{self.user}@{self.host}"


def ask_for(jid: str) -> Login:
    """The login of a JID, the password asked for at the terminal or taken from the first line of
    standard input. Raises NoLogin."""
    try:
        who = Jid.parse(jid)
    except ValueError:
        said = f"--user: expected a JID such as alice@example.org, not {jid!r}"
        raise LoginArgumentError(said) from None
    try:
        if sys.stdin is None:  # closed
            password = ""
        elif sys.stdin.isatty():
            password = getpass.getpass(f"Password of {jid}: ")
        else:
            password = sys.stdin.buffer.readline(MAX_PACKET).decode().rstrip("\r\n")
    except EOFError:
        password = ""
    except UnicodeDecodeError:
        raise LoginArgumentError("--user: the password on standard input is not UTF-8") from None
    if not password:
        raise LoginArgumentError(
            "--user: no password; it is asked for, or read from standard input"
        )
    if "\0" in password or len(f"auth:{jid}:{password}".encode()) > MAX_PACKET:
        raise LoginArgumentError("--user: the password is longer than a packet, or holds a NUL")
    return Login(who.user, who.host, password)
