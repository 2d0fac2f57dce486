"""Somebody who can log in, to try it with."""

import getpass
import sys
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Login:
    """A user of a virtual host and the password; the latter never shows in ``repr``."""

    user: str
    host: str
    password: str = field(repr=False)


def ask_for(jid: str) -> Login:
    """The login of a JID, the password asked for at the terminal or taken from the first line of
    standard input. Raises ValueError where the JID is none or there is no password."""
    user, at, host = jid.partition("@")
    if not (user and at and host) or "/" in host:
        raise ValueError(f"--user: expected a JID such as alice@example.org, not {jid!r}")
    if sys.stdin.isatty():
        password = getpass.getpass(f"Password of {jid}: ")
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise ValueError("--user: no password; it is asked for, or read from standard input")
    return Login(user.lower(), host.lower(), password)
