"""``extauth-http`` that kills itself (SIGKILL) at one step of an event.

python -m tests.signals.crashing_service POINT ARGUMENT...
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from extauth_http import cli
from extauth_http.admin import sessions
from extauth_http.signals import committer, event_attempt, revocation
from extauth_http.signals.queue import Queue

POINTS: dict[str, tuple[Any, str, bool]] = {
    "before the commit": (Queue, "add", False),
    "after the commit, before the answer": (Queue, "add", True),
    "after the answer is prepared": (committer.Committer, "_commit", True),
    "before the message": (revocation, "notify", False),
    "after the message": (revocation, "notify", True),
    "before the sessions end": (revocation, "revoke_user", False),
    "between two steps": (sessions, "list_sessions", True),
    "after the sessions ended": (revocation, "revoke_user", True),
    "before the check": (event_attempt.AttemptRunner, "_check", False),
    "after the check": (event_attempt.AttemptRunner, "_check", True),
    "before the result is recorded": (Queue, "record", False),
    "after the result is recorded": (Queue, "record", True),
}
"""A step, the function that it is in, and whether the function is executed first."""


def arm(point: str) -> None:
    """Replaces the function of a point."""
    owner, name, is_after = POINTS[point]
    original: Callable[..., Any] = getattr(owner, name)

    def killed(*arguments: Any, **named: Any) -> Any:
        if is_after:
            original(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    async def killed_later(*arguments: Any, **named: Any) -> Any:
        await original(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    is_coroutine = point == "after the answer is prepared"
    setattr(owner, name, killed_later if is_coroutine else killed)


if __name__ == "__main__":
    arm(sys.argv[1])
    sys.exit(cli.main(sys.argv[2:]))
