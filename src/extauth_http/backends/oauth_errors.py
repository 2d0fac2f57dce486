"""What an OAuth provider says about a refused request: its error member or its challenge.

A text of a provider may repeat what it was sent, so it is shown only if it is a word of a
specification, or if it contains nothing of the request.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from extauth_http.terminal.masking import quotes_nothing

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

STANDARD_ERRORS = (
    CREDENTIAL_ERRORS | ACCOUNT_ERRORS | CLIENT_ERRORS | REQUEST_ERRORS | CHALLENGE_ERRORS
)
"""All words above. Each can be shown to people."""


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
