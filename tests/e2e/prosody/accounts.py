"""The HTTP service behind Prosody in a test: users and their passwords."""

import socket
from collections.abc import Callable

from tests.credentials import PASSWORD
from tests.integration.service import Request, http

ADA = "ada@example.org"
BOB = "bob@example.org"


class Accounts:
    """An HTTP service with users and passwords. ``before`` runs before each answer is decided, and
    ``decided`` before it is sent; while
    ``is_broken``, every answer is status 503."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Back to ada and bob, and to a service that answers at once."""
        self.passwords = {"ada": PASSWORD, "bob": "other"}
        self.operations: list[str] = []
        self.is_broken = False
        self.before: Callable[[Request], None] = lambda _: None
        self.decided: Callable[[Request], None] = lambda _: None

    def break_operation(self, operation: str) -> None:
        """From now on, every answer to this operation is status 503."""

        def set_broken(request: Request) -> None:
            self.is_broken = request.target.endswith(f"/{operation}")

        self.before = set_broken

    def behave(self, request: Request, connection: socket.socket) -> None:
        self.before(request)
        status, result = (503, False) if self.is_broken else (200, self._answer(request))
        self.decided(request)
        connection.sendall(http(status, "true" if result else "false"))

    def _answer(self, request: Request) -> bool:
        operation = request.target.rpartition("/")[2]
        self.operations.append(operation)
        body = request.json()
        user, password = body["user"], body.get("password", "")
        known = user in self.passwords
        match operation:
            case "auth":
                return known and self.passwords[user] == password
            case "isuser":
                return known
            case "removeuser":
                return self.passwords.pop(user, None) is not None
            case "tryregister" if known:
                return False
            case "setpass" if not known or password == "too weak":
                return False
        self.passwords[user] = password
        return True
