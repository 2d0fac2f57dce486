"""A service for a test, and the findings about it."""

import socket

from extauth_http.check.finding import Finding
from extauth_http.check.login import Login
from extauth_http.check.service import probe
from tests.credentials import PASSWORD
from tests.integration.service import NO, YES, Request
from tests.settings import settings_of

ALICE = Login("alice", "example.org", PASSWORD)


def found_of(
    url: str, login: Login | None = None, deadline: float = 2.0, **more: object
) -> list[Finding]:
    settings = settings_of(
        backend={"kind": "rest", "url": url, **more},
        deadline=deadline,
    )
    return list(probe.findings(settings, [], login))


def only_alice(request: Request, connection: socket.socket) -> None:
    asked = request.json()
    is_right = asked.get("password", PASSWORD) == PASSWORD
    connection.sendall(YES if asked["user"] == "alice" and is_right else NO)
