"""The user of ``--user``: a JID and its password."""

from dataclasses import dataclass, field

from extauth_http.protocol.jid import Jid
from extauth_http.protocol.packet_parser import MAX_PACKET
from extauth_http.terminal.prompt import CredentialInputError, read_credential


class LoginArgumentError(Exception):
    """The JID or the password cannot be used. The message contains no part of the password."""


@dataclass(frozen=True, slots=True)
class Login:
    """A user of a virtual host, with the password; ``repr`` omits the password."""

    user: str
    host: str
    password: str = field(repr=False)

    @property
    def jid(self) -> str:
        return f"{self.user}@{self.host}"


def read_login(jid: str) -> Login:
    """The login of a JID, its password from the terminal or from the first line of standard
    input. Raises LoginArgumentError."""
    try:
        parsed = Jid.parse(jid)
    except ValueError:
        message = f"--user: expected a JID such as alice@example.org, not {jid!r}"
        raise LoginArgumentError(message) from None
    try:
        password = read_credential("password", f"Password of {jid}: ")
    except CredentialInputError as error:
        raise LoginArgumentError(f"--user: {error}") from None
    if "\0" in password:
        raise LoginArgumentError("--user: the password contains a NUL character")
    if len(f"auth:{parsed.user}:{parsed.host}:{password}".encode()) > MAX_PACKET:
        raise LoginArgumentError("--user: the password is longer than a packet")
    return Login(parsed.user, parsed.host, password)
