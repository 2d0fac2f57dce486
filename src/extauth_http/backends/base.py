"""The interface of a kind of backend.

A backend turns a command into requests to its service, and the responses into a verdict. What is
the same for all kinds is done for it: deadline, TLS, service credentials, log. ``registry.py``
lists the kinds.
"""

from typing import Any, ClassVar

from extauth_http.config.backend import BackendSettings
from extauth_http.http.client import HttpClient
from extauth_http.protocol.command import Command
from extauth_http.protocol.verdict import Answer, Verdict


class Backend:
    """One kind of service; a subclass has a method for each operation that the service supports.

    A method gets the command and the HttpClient of that command. It returns a verdict, or an
    Answer if it has a reason of its own. If the service gives neither a clear yes nor a clear no,
    it raises UndecidedError. Any other exception is UNDECIDED too. An operation without a method
    is DENY with the reason ``unsupported``.

    Several threads use one instance. An instance must not keep anything about a command.
    """

    Settings: ClassVar[type[BackendSettings]] = BackendSettings
    """The model of the ``backend`` table for this kind."""

    def __init__(self, settings: Any) -> None:
        """``settings`` is an instance of the class's ``Settings``."""

    def close(self) -> None:
        """Releases what the instance itself has opened. Called once, after the last command."""

    def auth(self, command: Command, http: HttpClient) -> Verdict | Answer:
        """Whether the user may log in with this password."""
        return UNSUPPORTED

    def isuser(self, command: Command, http: HttpClient) -> Verdict | Answer:
        """Whether the user exists."""
        return UNSUPPORTED

    def setpass(self, command: Command, http: HttpClient) -> Verdict | Answer:
        """Sets the user's password. ALLOW: it is set."""
        return UNSUPPORTED

    def tryregister(self, command: Command, http: HttpClient) -> Verdict | Answer:
        """Creates the user with this password. ALLOW: the user is created."""
        return UNSUPPORTED

    def removeuser(self, command: Command, http: HttpClient) -> Verdict | Answer:
        """Deletes the user. ALLOW: the user is deleted."""
        return UNSUPPORTED

    def removeuser3(self, command: Command, http: HttpClient) -> Verdict | Answer:
        """Deletes the user if the password is right. By default ``auth``, then ``removeuser``."""
        answer = self.auth(command, http)
        verdict = answer.verdict if isinstance(answer, Answer) else answer
        return self.removeuser(command, http) if verdict is Verdict.ALLOW else answer

    def certauth(self, command: Command, http: HttpClient) -> Verdict | Answer:
        """Whether the user may log in with the certificate in ``command.password``."""
        return UNSUPPORTED


UNSUPPORTED = Answer(Verdict.DENY, "unsupported", "this kind of backend has no such operation")
