"""Logout tokens of OpenID Connect Back-Channel Logout 1.0 (section 2.6: validation)."""

from extauth_http.signals.events import Subject
from extauth_http.signals.rejection import Reason, RejectedError
from extauth_http.signals.subjects import subject_of
from extauth_http.signals.tokens import TokenRules, VerifiedToken

LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"

RULES = TokenRules(frozenset({"jwt", "logout+jwt"}), lambda issuer: issuer.max_age)
"""Providers that do not yet set ``logout+jwt`` set ``JWT`` or nothing."""

REASON = "logout"


def subject_of_logout(token: VerifiedToken) -> Subject:
    """The user who logged out. Raises RejectedError and OtherUserError.

    A token with a ``sid`` alone is rejected: it names a session of the provider, which is not
    known here.
    """
    claims = token.claims
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):
        raise RejectedError(Reason.WRONG_EVENT, "events does not hold the logout event")
    if "nonce" in claims:
        raise RejectedError(Reason.NONCE, "a logout token must not have a nonce")
    return subject_of(claims, token.issuer)
