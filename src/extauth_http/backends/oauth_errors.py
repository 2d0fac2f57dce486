"""What an OAuth provider says about a refused request: its error member or its challenge.

A text of a provider may repeat what it was sent, so it is shown only if it is a word of a
specification, or if it contains nothing of the request.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

CREDENTIAL_ERRORS = frozenset({"invalid_grant", "invalid_credentials"})
"""The user name or the password is wrong. ``invalid_grant`` is the word of RFC 6749 section 5.2;
older releases of Laravel Passport send ``invalid_credentials``."""

ACCOUNT_ERRORS = frozenset(
    {
        *("access_denied", "account_disabled", "account_locked", "consent_required"),
        *("interaction_required", "login_required", "password_expired", "user_disabled"),
    }
)
"""The account may not log in like this. The words are those of RFC 6749, of OpenID Connect Core 1.0
section 3.1.2.6, and of providers."""

CLIENT_ERRORS = frozenset({"invalid_client", "unauthorized_client"})
"""The provider refuses this program (RFC 6749 section 5.2)."""

REQUEST_ERRORS = frozenset({"invalid_request", "unsupported_grant_type", "invalid_scope"})
"""The provider refuses the request (RFC 6749 section 5.2)."""

CHALLENGE_ERRORS = frozenset({"invalid_request", "invalid_token", "insufficient_scope"})
"""The errors of RFC 6750 section 3.1."""

MAX_DESCRIPTION = 200  # characters
_SHARED = 4  # characters in a row that a text may not share with a secret


@dataclass(frozen=True, slots=True)
class Challenge:
    """A ``WWW-Authenticate`` header (RFC 6750 section 3). ``error`` is a word of CHALLENGE_ERRORS,
    or empty."""

    error: str = ""
    scope: str = ""


def parse_challenge(header: str) -> Challenge:
    """The Bearer challenge in a header; empty if there is none."""
    if not re.search(r"\bbearer\b", header, re.IGNORECASE):
        return Challenge()
    found = dict(re.findall(r'(\w+)\s*=\s*"([^"\\]*)"', header))
    error = found.get("error", "")
    return Challenge(error if error in CHALLENGE_ERRORS else "", found.get("scope", ""))


def description(text: object, secrets: Iterable[str]) -> str:
    """``error_description`` if it can be shown: ``": Account disabled"``. Else empty."""
    if not isinstance(text, str) or not text or not quotes_nothing(text, secrets):
        return ""
    return f": {text}"


def quotes_nothing(text: str, secrets: Iterable[str]) -> bool:
    """Whether a text can be shown: short, printable, and without a part of a secret.

    A part is four characters in a row, or the whole of a shorter secret, in any case, as it is or
    percent-encoded.
    """
    if len(text) > MAX_DESCRIPTION or not text.isprintable():
        return False
    lower = text.lower()
    for secret in filter(None, secrets):
        for form in {secret, quote(secret), quote(secret, safe=""), quote_plus(secret)}:
            size = min(_SHARED, len(form))
            parts = {form[at : at + size].lower() for at in range(len(form) - size + 1)}
            if any(part in lower for part in parts):
                return False
    return True
