"""Ends the sessions of one user that started before an event: the steps of ``user revoke``."""

import contextlib
from dataclasses import dataclass

from extauth_http.admin import revoke, sessions
from extauth_http.admin.revoke import FAST_TOKENS, Step, StepStatus
from extauth_http.admin.sessions import Session
from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.ejabberd_api.errors import ApiError
from extauth_http.protocol.jid import Jid
from extauth_http.signals.settings import SignalsSettings

KICK_REASON = "your access has ended"


@dataclass(frozen=True, slots=True)
class SessionList:
    """The sessions of a user: those that an event ends, and those that started after it."""

    ending: list[Session]
    newer: list[Session]


@dataclass(frozen=True, slots=True)
class Revoked:
    """What the steps did. ``ended`` and ``left_alone`` are numbers of sessions."""

    ended: int
    left_alone: int
    steps: list[Step]

    @property
    def message(self) -> str:
        """For the log and ``signals status``."""
        parts = [f"{step.name}: {step.message}" for step in self.steps if step.message]
        if self.left_alone:
            parts.append(f"{self.left_alone} newer left alone")
        return "; ".join(parts)


def list_sessions(api: ApiClient, jid: Jid, occurred: float) -> SessionList:
    """Divides the sessions of a user. Raises ApiError.

    ``since`` is rounded down to the second: a session that may have started before the event ends.
    """
    found = sessions.list_sessions(api, jid)
    ending = [each for each in found if each.since.timestamp() <= occurred]
    return SessionList(ending, [each for each in found if each not in ending])


def revoke_user(
    api: ApiClient, jid: Jid, occurred: float, settings: SignalsSettings, *, keep_caches: bool
) -> Revoked:
    """Runs the steps of ``user revoke``. Raises ApiError.

    Caches and OAuth tokens go first: a client must not log in with them after its session ended.
    """
    steps = revoke.delete_stored(api, jid, keep_caches=keep_caches)
    found = list_sessions(api, jid, occurred)
    if found.ending and not found.newer:
        # This command also deletes FAST tokens, but it ends all sessions.
        steps += revoke.end_sessions(api, jid)
    else:
        for session in found.ending:
            sessions.kick_session(api, jid, session.resource, KICK_REASON)
        steps += [_sessions_step(found), revoke.fast_tokens(api, 0)]
    if settings.no_fast:
        steps = [step for step in steps if step.name != FAST_TOKENS]
    shown = [step for step in steps if step.status is not StepStatus.SKIPPED]
    return Revoked(len(found.ending), len(found.newer), shown)


def _sessions_step(found: SessionList) -> Step:
    if found.ending:
        return Step("sessions", StepStatus.DONE, f"{len(found.ending)} ended")
    return Step("sessions", StepStatus.NOTHING_THERE, "none to end")


def notify(api: ApiClient, jid: Jid, occurred: float, text: str) -> bool:
    """Sends a message to each session that will end; false if there is none. Raises ApiError only
    if the sessions cannot be listed: a message that fails prevents nothing."""
    found = list_sessions(api, jid, occurred).ending
    if found:
        with contextlib.suppress(ApiError):
            sessions.notify(api, jid, [session.resource for session in found], text)
    return bool(found)


class CacheClearing:
    """``clear_cache`` clears the cache of all users, so one call serves many events: every one that
    was received before the call started."""

    def __init__(self) -> None:
        self._started = 0.0

    def serves(self, received: float) -> bool:
        """Whether a call was made after an event was received (seconds since the epoch)."""
        return self._started > received

    def done(self, started: float) -> None:
        self._started = max(self._started, started)
