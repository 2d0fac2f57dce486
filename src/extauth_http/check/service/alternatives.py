"""Whether each URL of ``standby`` and each table of a chain refuses a user that does not exist.

A login uses only one of them, so it shows nothing about the others.
"""

import secrets
import time
from collections.abc import Iterator

from extauth_http.backends.registry import BUILT_IN
from extauth_http.check.finding import Finding, broken, good
from extauth_http.config.backend import BackendSettings
from extauth_http.config.settings import Settings
from extauth_http.program.decider import Decider
from extauth_http.program.outcome import Decision
from extauth_http.protocol.command import Command, Operation
from extauth_http.protocol.verdict import Verdict


def findings(settings: Settings, host: str) -> Iterator[Finding]:
    """Asks each alternative of a host about a user that does not exist, with a random password."""
    own = settings.hosts.get(host)
    backend = (own.backend if own else None) or settings.backend
    for name, alone in _alternatives(backend) if backend else ():
        yield _finding(name, _decide(settings, alone, host), host)


def _alternatives(backend: BackendSettings) -> Iterator[tuple[str, BackendSettings]]:
    # A URL with a placeholder has no endpoint of its own.
    for endpoint in (each for each in backend.endpoints() if each in backend.standby):
        yield (
            f"the standby {endpoint}",
            backend.model_copy(update={"url": endpoint, "standby": ()}),
        )
    if backend.kind == "chain":
        for key, nested in backend.nested_tables().items():
            yield f"{key} ({nested.kind})", nested
            yield from ((f"{key}: {name}", alone) for name, alone in _alternatives(nested))


def _finding(name: str, decision: Decision, host: str) -> Finding:
    answer = decision.answer
    if answer.verdict is Verdict.DENY:
        text = f"{name} refuses a user that does not exist ({answer.reason})"
        return good("backend-alternative", text, host=host)
    problem = (
        "lets a user log in that does not exist"
        if answer.verdict is Verdict.ALLOW
        else f"gives no answer ({answer.reason}{_detail(decision)})"
    )
    return broken("backend-alternative", f"{name} {problem}", host=host)


def _detail(decision: Decision) -> str:
    """The sentence of a built-in kind. That of a plugin may hold anything."""
    is_shown = decision.answer.detail and decision.backend in BUILT_IN
    return f": {decision.answer.detail}" if is_shown else ""


def _decide(settings: Settings, backend: BackendSettings, host: str) -> Decision:
    decider = Decider(settings.model_copy(update={"backend": backend, "hosts": {}}))
    user = f"extauth-check-{secrets.token_hex(4)}"
    auth = Command(Operation.AUTH, user, host, secrets.token_urlsafe(16))
    due = time.monotonic() + decider.deadline
    try:
        return decider.decide(auth, due, f"check-{secrets.token_hex(4)}")
    finally:
        decider.close()
