"""One command to one backend, without a process around it."""

import time
from typing import Any

from extauth_http.command import Command
from extauth_http.decide import Decider, Decision
from extauth_http.settings import Settings


def ask(command: Command, *, seconds: float = 5.0, **backend: Any) -> Decision:
    """What a decider with this backend table says to a command."""
    decider = Decider(Settings(backend=backend))  # type: ignore[arg-type]
    try:
        return decider.decide(command, time.monotonic() + seconds, "a-request")
    finally:
        decider.close()
