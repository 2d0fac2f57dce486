"""Security Event Tokens (RFC 8417) of the OpenID Shared Signals Framework: CAEP and RISC."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from extauth_http.signals.events import Subject
from extauth_http.signals.issuer_settings import PLACEHOLDERS
from extauth_http.signals.rejection import Reason, RejectedError
from extauth_http.signals.subjects import OtherUserError, subject_of
from extauth_http.signals.tokens import TokenRules, VerifiedToken, number

CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
RISC = "https://schemas.openid.net/secevent/risc/event-type/"

ENDING = frozenset(
    {
        *(f"{CAEP}{name}" for name in ("session-revoked", "credential-change")),
        *(f"{RISC}{name}" for name in ("account-disabled", "account-purged", "sessions-revoked")),
    }
)
"""The events after which the sessions of the user end."""

VERIFICATION = frozenset(
    f"https://schemas.openid.net/secevent/{name}/event-type/verification"
    for name in ("ssf", "sse", "risc")
)
"""A transmitter sends it to see whether the receiver answers. ``sse`` and ``risc``: drafts."""

RULES = TokenRules(frozenset({"jwt", "secevent+jwt"}), lambda issuer: issuer.event_max_age)

MAX_EVENTS = 16
MILLISECONDS_FROM = 1e11
"""Drafts of CAEP gave ``event_timestamp`` in milliseconds. In seconds this is the year 5138."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """A user whose sessions end. ``claimed`` is when the transmitter says that it happened."""

    subject: Subject
    reason: str
    claimed: float


def meanings(token: VerifiedToken) -> list[Meaning]:
    """What the events of a token mean here; empty for events without a meaning here.

    Raises RejectedError if an event ends sessions and does not say whose.
    """
    found: dict[str, Meaning] = {}
    for kind, event in _events(token):
        if not _ends_sessions(kind, event):
            continue
        try:
            subject = _subject(token, event)
        except OtherUserError:
            continue
        claimed = _claimed(token, event)
        found.setdefault(str(subject), Meaning(subject, kind.rpartition("/")[2], claimed))
    return list(found.values())


def is_verification(token: VerifiedToken) -> bool:
    """Whether the transmitter only checks that this receiver answers."""
    return any(kind in VERIFICATION for kind, _ in _events(token))


def _events(token: VerifiedToken) -> Iterator[tuple[str, Mapping[str, Any]]]:
    events = token.claims.get("events")
    if not isinstance(events, dict) or not 0 < len(events) <= MAX_EVENTS:
        raise RejectedError(Reason.WRONG_EVENT, "events is missing or too long")
    for kind, event in events.items():
        if not isinstance(event, dict):
            raise RejectedError(Reason.WRONG_EVENT, "an event is not an object")
        yield kind, event


def _ends_sessions(kind: str, event: Mapping[str, Any]) -> bool:
    """A credential that is only added (CAEP 1.0 section 3.3, ``create``) ends nothing."""
    is_new = kind == f"{CAEP}credential-change" and event.get("change_type") == "create"
    return kind in ENDING and not is_new


def _claimed(token: VerifiedToken, event: Mapping[str, Any]) -> float:
    """``event_timestamp`` (CAEP), ``toe`` (RFC 8417 section 2.2), or ``iat``."""
    found = number(event, "event_timestamp")
    if found is not None and found > MILLISECONDS_FROM:
        found /= 1000
    if found is None:
        found = number(token.claims, "toe")
    return token.issued if found is None else found


def _subject(token: VerifiedToken, event: Mapping[str, Any]) -> Subject:
    """``sub_id`` of the token, or ``subject`` of the event, as drafts had it (RFC 9493)."""
    given = token.claims.get("sub_id", event.get("sub_id", event.get("subject")))
    if given is None:
        return subject_of(token.claims, token.issuer)
    if not isinstance(given, dict):
        raise RejectedError(Reason.WRONG_SUBJECT, "the subject is not an object")
    if given.get("format") == "complex" or "user" in given:
        given = given.get("user")
    # The identifiers of the token are not those of the subject.
    others = {name: value for name, value in token.claims.items() if name not in PLACEHOLDERS}
    return subject_of({**others, **_identifiers(given, token)}, token.issuer)


def _identifiers(given: Any, token: VerifiedToken) -> Mapping[str, Any]:
    """The claims that a subject identifier stands for. Raises RejectedError."""
    if not isinstance(given, dict):
        raise RejectedError(Reason.WRONG_SUBJECT, "the subject does not name a user")
    # subject_type with dashes: a draft that transmitters still use.
    form = str(given.get("format", given.get("subject_type", ""))).replace("-", "_")
    match form:
        case "iss_sub":
            if given.get("iss") != token.issuer.issuer:
                raise RejectedError(Reason.WRONG_SUBJECT, "the subject belongs to another issuer")
            return {"sub": given.get("sub")}
        case "opaque":
            return {"sub": given.get("id")}
        case "email":
            return {"email": given.get("email")}
    raise RejectedError(Reason.WRONG_SUBJECT, "subject format is not iss_sub, email or opaque")
