"""From a message of a sender to events in the queue.

Each function verifies one kind of message and returns the arrivals, which may be none: a valid
message without a meaning here is accepted and has no effect.
"""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from extauth_http.signals import logout_token, security_event
from extauth_http.signals.events import (
    Arrival,
    Event,
    Source,
    Subject,
    occurred_at,
    replay_key,
)
from extauth_http.signals.requests import RevokeRequest
from extauth_http.signals.self_test_keys import TEST_ISSUER
from extauth_http.signals.subjects import OtherUserError
from extauth_http.signals.tokens import TrustedIssuer, VerifiedToken, verify

WEBHOOK_SENDER = "webhook"
WEBHOOK_MEMORY = 604_800.0
"""Seconds in which a second request with the same ``id`` is the same event."""


@dataclass(frozen=True, slots=True)
class Message:
    """A verified message. ``identity`` is the ``jti``, or the ``id`` of a webhook. ``note`` says
    why there are no arrivals."""

    sender: str
    identity: str
    arrivals: tuple[Arrival, ...]
    note: str = ""


class Receiver:
    """``test_issuer`` returns the issuer that ``signals test`` uses at this moment, if it does."""

    def __init__(
        self,
        issuers: Mapping[str, TrustedIssuer],
        test_issuer: Callable[[], TrustedIssuer | None] = lambda: None,
    ) -> None:
        self._issuers = issuers
        self._test_issuer = test_issuer

    def _find(self, issuer: str) -> TrustedIssuer | None:
        return self._test_issuer() if issuer == TEST_ISSUER else self._issuers.get(issuer)

    async def logout(self, token: str) -> Message:
        """A logout token. Raises RejectedError."""
        now = time.time()
        verified = await verify(token, self._find, logout_token.RULES, now)
        try:
            subject = logout_token.subject_of_logout(verified)
        except OtherUserError:
            return _without_meaning(verified, "the user is not one of this host")
        found = security_event.Meaning(subject, logout_token.REASON, verified.issued)
        return _message(Source.LOGOUT_TOKEN, verified, [found], now)

    async def security_event(self, token: str) -> Message:
        """A Security Event Token. Raises RejectedError."""
        now = time.time()
        verified = await verify(token, self._find, security_event.RULES, now)
        found = security_event.meanings(verified)
        if not found:
            is_check = security_event.is_verification(verified)
            note = "verification event" if is_check else "no event with a meaning here"
            return _without_meaning(verified, note)
        return _message(Source.SECURITY_EVENT, verified, found, now)

    def webhook(self, request: RevokeRequest) -> Message:
        """A request whose bearer token is right. Two requests with one ``id`` are one event."""
        now = time.time()
        identity = request.id or secrets.token_hex(8)
        event = Event(
            identity,
            Source.WEBHOOK,
            WEBHOOK_SENDER,
            Subject(request.jid.host, request.jid.user),
            request.reason or "revoke",
            now,
            now,
        )
        key = replay_key(Source.WEBHOOK, WEBHOOK_SENDER, identity)
        return Message(WEBHOOK_SENDER, identity, (Arrival(event, key, now + WEBHOOK_MEMORY),))


def _without_meaning(token: VerifiedToken, note: str) -> Message:
    return Message(token.issuer.issuer, token.identity, (), note)


def _message(
    source: Source, token: VerifiedToken, found: list[security_event.Meaning], now: float
) -> Message:
    sender = token.issuer.issuer
    arrivals = tuple(
        Arrival(
            Event(
                secrets.token_hex(8),
                source,
                sender,
                each.subject,
                each.reason,
                occurred_at(each.claimed, now, token.issuer.clock_skew),
                now,
            ),
            replay_key(source, sender, f"{number}/{token.identity}"),
            token.valid_until,
        )
        for number, each in enumerate(found)
    )
    return Message(sender, token.identity, arrivals)
