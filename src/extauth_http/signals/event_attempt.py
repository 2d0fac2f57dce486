"""One attempt to complete an event, as a sequence of stages.

    RESOLVE → NOTIFY → REVOKE → CHECK → done

``run`` executes one stage in a thread of the worker and returns what follows. A stage that must
wait (the grace after a notification, sessions that are still listed) returns the time at which to
continue, so that the thread is free.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.ejabberd_api.errors import ApiError
from extauth_http.program.log import Log
from extauth_http.protocol.jid import Jid
from extauth_http.signals import revocation
from extauth_http.signals.queue_entry import Entry, Result, State
from extauth_http.signals.resolver import ResolveError, Resolver
from extauth_http.signals.revocation import CacheClearing, Revoked
from extauth_http.signals.settings import SignalsSettings
from extauth_http.signals.subjects import OtherUserError

CHECK_PAUSES = (0.0, 0.1, 0.4, 1.0, 1.5, 2.0)
"""Seconds before each look at the session list. ejabberd may list sessions that it is ending."""

FIRST_PAUSE = 1.0
MAX_PAUSE = 60.0
"""Seconds before the second attempt, and at most before a later one. Each pause doubles."""


class Stage(Enum):
    """What is done next for an event."""

    RESOLVE = "resolve"
    NOTIFY = "notify"
    REVOKE = "revoke"
    CHECK = "check"


@dataclass(frozen=True, slots=True)
class Attempt:
    """The state of an attempt. ``checks`` counts the looks at the session list."""

    entry: Entry
    stage: Stage = Stage.RESOLVE
    jid: Jid | None = None
    revoked: Revoked | None = None
    checks: int = 0


@dataclass(frozen=True, slots=True)
class Continue:
    """The attempt goes on in ``seconds``."""

    attempt: Attempt
    seconds: float = 0.0


class Server(Enum):
    """What an attempt has learned about the admin API."""

    ANSWERS = "answers"
    UNREACHABLE = "unreachable"
    NOT_CALLED = "not called"


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """What follows an attempt; None if nothing was learned about the event."""

    following: Result | Continue | None
    server: Server


Next = Result | Continue


class AttemptRunner:
    """What attempts use. Safe to use from several threads."""

    def __init__(
        self, settings: SignalsSettings, resolvers: Mapping[str, Resolver], log: Log
    ) -> None:
        self._settings = settings
        self._resolvers = resolvers
        self._log = log
        self._caches = CacheClearing()

    def run(self, attempt: Attempt, api: ApiClient) -> AttemptResult:
        """Executes stages until the attempt ends or must wait. Does not raise."""
        try:
            following: Next = Continue(attempt)
            while isinstance(following, Continue) and not following.seconds:
                following = self._step(following.attempt, api)
        except ApiError as error:
            if error.is_unreachable:
                return AttemptResult(None, Server.UNREACHABLE)
            return AttemptResult(self._failed(attempt, str(error)), Server.ANSWERS)
        except ResolveError as error:
            return AttemptResult(self._failed(attempt, f"resolve: {error}"), Server.NOT_CALLED)
        except OtherUserError:
            message = "the name at the issuer is not one of this virtual host"
            result = Result(attempt.entry.event.id, State.DONE, message)
            return AttemptResult(result, Server.NOT_CALLED)
        except Exception as error:  # noqa: BLE001 - its text may hold anything
            message = f"internal error: {type(error).__name__}"
            return AttemptResult(self._failed(attempt, message), Server.NOT_CALLED)
        return AttemptResult(following, Server.ANSWERS)

    def _step(self, attempt: Attempt, api: ApiClient) -> Next:
        match attempt.stage:
            case Stage.RESOLVE:
                return self._resolve(attempt)
            case Stage.NOTIFY:
                return self._notify(attempt, api)
            case Stage.REVOKE:
                return self._revoke(attempt, api)
            case Stage.CHECK:
                return self._check(attempt, api)

    def _resolve(self, attempt: Attempt) -> Next:
        event = attempt.entry.event
        user = event.subject.user
        if user is None:
            resolver = self._resolvers.get(event.sender)
            if resolver is None:
                raise ResolveError("this issuer is no longer configured with resolve")
            user = resolver.user(event.subject.identifiers)
            self._log.event("info", "signal_resolved", id=event.id, user=user)
        jid = Jid(user, event.subject.host)
        return Continue(replace(attempt, jid=jid, stage=Stage.NOTIFY))

    def _notify(self, attempt: Attempt, api: ApiClient) -> Next:
        event = attempt.entry.event
        ready = replace(attempt, stage=Stage.REVOKE)
        if not self._settings.notify or attempt.entry.notified:
            return Continue(ready)
        jid = _jid(attempt)
        if not revocation.notify(api, jid, event.occurred, self._settings.notify):
            return Continue(ready)
        self._log.event("info", "signal_notified", id=event.id, user=jid.user, host=jid.host)
        # Recorded, so that a restart during the grace does not send the message again.
        return Result(
            event.id,
            State.WAITING,
            "notified",
            next_attempt=time.time() + self._settings.grace,
            counts=False,
            notified=True,
            user=jid.user,
        )

    def _revoke(self, attempt: Attempt, api: ApiClient) -> Next:
        event, jid = attempt.entry.event, _jid(attempt)
        keep = self._settings.keep_caches or self._caches.serves(event.received)
        started = time.time()
        revoked = revocation.revoke_user(api, jid, event.occurred, self._settings, keep_caches=keep)
        if not keep:
            self._caches.done(started)
        self._log.event(
            "info",
            "signal_revoked",
            id=event.id,
            user=jid.user,
            host=jid.host,
            ended=revoked.ended,
            left_alone=revoked.left_alone,
            detail=revoked.message,
        )
        return Continue(replace(attempt, stage=Stage.CHECK, revoked=revoked))

    def _check(self, attempt: Attempt, api: ApiClient) -> Next:
        event, jid = attempt.entry.event, _jid(attempt)
        left = revocation.list_sessions(api, jid, event.occurred).ending
        if not left:
            message = attempt.revoked.message if attempt.revoked else ""
            return Result(event.id, State.DONE, message, user=jid.user)
        if attempt.checks + 1 < len(CHECK_PAUSES):
            again = replace(attempt, checks=attempt.checks + 1)
            return Continue(again, CHECK_PAUSES[again.checks])
        return self._failed(attempt, f"{len(left)} sessions are still there")

    def _failed(self, attempt: Attempt, message: str) -> Result:
        """A new attempt later; the worker gives up after the configured time."""
        pause = min(MAX_PAUSE, FIRST_PAUSE * 2 ** min(attempt.entry.attempts, 10))
        user = attempt.jid.user if attempt.jid else None
        identity = attempt.entry.event.id
        return Result(identity, State.WAITING, message, next_attempt=time.time() + pause, user=user)


def _jid(attempt: Attempt) -> Jid:
    assert attempt.jid is not None, "the stage RESOLVE comes first"  # noqa: S101
    return attempt.jid
