"""What every backend is, and how one is found by its kind.

A backend turns a command into a request to its service, and the service's answer into a verdict.
Everything that is the same for all of them (deadline, TLS, service credentials, what a status
outside the contract means) is done for it.
"""

from typing import Any, ClassVar

from extauth_http.config.backend import BackendSettings
from extauth_http.http.client import HttpClient
from extauth_http.protocol.command import Command
from extauth_http.protocol.verdict import Answer, Verdict


class Backend:
    """One kind of service. Its methods are the operations; each takes the command and what to ask
    with, and gives a verdict, or an answer where it has a reason of its own to tell.

    A method that cannot tell raises ``Undecided``; any other exception is UNDECIDED too. What a
    kind cannot do it leaves out: the answer is then DENY. An instance is used by several threads
    and must remember nothing about a command.
    """

    Settings: ClassVar[type[BackendSettings]] = BackendSettings

    def __init__(self, settings: Any) -> None:
        """``settings`` is an instance of the class's ``Settings``."""

    def close(self) -> None:
        """Closes connections of its own, if it has any; called when it is no longer used."""

    def auth(self, command: Command, http: HttpClient) -> Verdict | Answer:
        """May this user log in with this password?"""
        return UNSUPPORTED

    def isuser(self, command: Command, http: HttpClient) -> Verdict | Answer:
        """Does this user exist?"""
        return UNSUPPORTED

    def setpass(self, command: Command, http: HttpClient) -> Verdict | Answer:
        """Make this the user's password."""
        return UNSUPPORTED

    def tryregister(self, command: Command, http: HttpClient) -> Verdict | Answer:
        """Create this user."""
        return UNSUPPORTED

    def removeuser(self, command: Command, http: HttpClient) -> Verdict | Answer:
        """Delete this user."""
        return UNSUPPORTED

    def removeuser3(self, command: Command, http: HttpClient) -> Verdict | Answer:
        """Delete this user if the password is right."""
        allowed = self.auth(command, http)
        verdict = allowed.verdict if isinstance(allowed, Answer) else allowed
        return self.removeuser(command, http) if verdict is Verdict.ALLOW else allowed

    def certauth(self, command: Command, http: HttpClient) -> Verdict | Answer:
        """May this user log in with this certificate?"""
        return UNSUPPORTED


UNSUPPORTED = Answer(Verdict.DENY, "unsupported", "this kind of backend cannot do that")
