"""What a sender reports: the sessions of a user must end."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

MAX_ID = 64  # characters


class Source(StrEnum):
    """How an event arrived. Operators count these words."""

    LOGOUT_TOKEN = "logout_token"  # noqa: S105 - a word for logs and metrics
    SECURITY_EVENT = "security_event"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True)
class Subject:
    """A user of the virtual host ``host``.

    ``user`` is the local part of the JID. None: a lookup at the issuer must find it, with the
    ``identifiers`` of the token (``sub``, ``email``).
    """

    host: str
    user: str | None
    identifiers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """For the log and the operator: a JID, or what the token says instead."""
        if self.user is not None:
            return f"{self.user}@{self.host}"
        found = ", ".join(f"{key} {value}" for key, value in self.identifiers.items())
        return f"{found} at {self.host}"


@dataclass(frozen=True, slots=True)
class Event:
    """One accepted report. Times are seconds since the epoch, by the clock of this machine.

    ``occurred`` is the latest time at which the event can have occurred: sessions that started
    later are not ended. ``sender`` is an issuer, or ``webhook``. ``reason`` is a word of the
    standard, or the text of the webhook.
    """

    id: str
    source: Source
    sender: str
    subject: Subject
    reason: str
    occurred: float
    received: float


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event on its way into the queue.

    ``replay_key`` identifies the message of the sender. It is remembered until ``replay_until``
    (seconds since the epoch), and a second message with the same key is a duplicate.
    """

    event: Event
    replay_key: bytes
    replay_until: float


def replay_key(source: Source, sender: str, identity: str) -> bytes:
    """A key of fixed length for a ``jti`` (RFC 7519 section 4.1.7) or the ``id`` of a webhook."""
    text = "\0".join((source, sender, identity))
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


def occurred_at(claimed: float, received: float, clock_skew: float) -> float:
    """The latest time at which an event can have occurred.

    The clock of the sender may be behind by ``clock_skew``. A session must not survive because of
    that, so the time that the sender claims is taken as early as that, but not after the
    reception.
    """
    return min(received, claimed + clock_skew)
