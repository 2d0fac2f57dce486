"""One command to one backend, without a process around it."""

import time
from typing import Any

from extauth_http.program.decider import Decider
from extauth_http.program.outcome import Decision
from extauth_http.protocol.command import Command
from tests.settings import settings_of


def decide(command: Command, *, seconds: float = 5.0, **backend: Any) -> Decision:
    """The decision of a decider with this ``backend`` table."""
    decider = Decider(settings_of(backend=backend))
    try:
        return decider.decide(command, time.monotonic() + seconds, "a-request")
    finally:
        decider.close()
