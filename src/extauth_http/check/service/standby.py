"""Whether the service decides in the same way at each URL of ``standby``."""

import secrets
import time
from collections.abc import Iterator

from extauth_http.check.finding import Finding, broken, good
from extauth_http.config.settings import Settings
from extauth_http.program.decider import Decider
from extauth_http.program.outcome import Decision
from extauth_http.protocol.command import Command, Operation
from extauth_http.protocol.verdict import Verdict


def findings(settings: Settings, host: str) -> Iterator[Finding]:
    """Asks at each URL of ``standby`` for a user that does not exist, with a random password."""
    own = settings.hosts.get(host)
    backend = (own.backend if own else None) or settings.backend
    if backend is None:
        return
    # A URL with a placeholder has no endpoint of its own.
    for endpoint in (each for each in backend.endpoints() if each in backend.standby):
        alone = backend.model_copy(update={"url": endpoint, "standby": ()})
        decision = _decide(settings.model_copy(update={"backend": alone, "hosts": {}}), host)
        answer = decision.answer
        if answer.verdict is Verdict.DENY:
            text = f"the standby {endpoint} refuses a user that does not exist ({answer.reason})"
            yield good("backend-standby", text, host=host)
            continue
        problem = (
            "lets a user log in that does not exist"
            if answer.verdict is Verdict.ALLOW
            else f"gives no answer ({answer.reason})"
        )
        yield broken("backend-standby", f"the standby {endpoint} {problem}", host=host)


def _decide(settings: Settings, host: str) -> Decision:
    decider = Decider(settings)
    user = f"extauth-check-{secrets.token_hex(4)}"
    auth = Command(Operation.AUTH, user, host, secrets.token_urlsafe(16))
    due = time.monotonic() + decider.deadline
    try:
        return decider.decide(auth, due, f"check-{secrets.token_hex(4)}")
    finally:
        decider.close()
