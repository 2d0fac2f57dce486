"""Rules for the claims of a token. Each returns None if it holds, else the DENY that says why not.

The claims come from an introspection response (RFC 7662), a UserInfo response (OpenID Connect Core
1.0 section 5.3), or a similar JSON object of a service.
"""

import json
import time
from collections.abc import Mapping
from typing import Any

from extauth_http.backends.response_rules import MISSING, find, strictly_equal
from extauth_http.protocol.verdict import Answer, Mismatch, UndecidedError, Verdict

Claims = Mapping[str, Any]
Required = Mapping[str, Any]
"""The values that a claim may have, by the name of the claim: one value, or a list of values."""

FALSE_MEANS_NO = ("active", "authenticated", "authorized", "enabled", "ok", "success", "valid")
TRUE_MEANS_NO = ("blocked", "disabled", "expired", "locked", "revoked", "suspended")
"""Members by which a response can contradict that the token is valid."""

_NOT_ACCESS_TOKENS = frozenset({"id", "id_token", "serialized-id", "logout+jwt"})
"""Values of ``typ`` and ``token_use`` of other tokens, in lower case, besides refresh tokens."""


def find_claim(claims: Claims, name: str) -> Any:
    """The value of a claim, or MISSING.

    A name with dots is a claim of that name, for example ``https://example.org/user``, or else a
    path into nested objects, for example ``ext.username``.
    """
    return claims[name] if name in claims else find(claims, name.split("."))


def check_no_denial(claims: Claims) -> Answer | None:
    """A response that contains its own no is never a yes, whatever else it contains.

    Raises UndecidedError (``not_an_answer``) for an ``active`` that is not a truth value, and for a
    response that reports an error.
    """
    if claims.get("error"):
        raise UndecidedError("not_an_answer", "the response reports an error")
    for name in FALSE_MEANS_NO:
        if claims.get(name) is False:
            return _deny("inactive", f"the response contains {name} = false")
    for name in TRUE_MEANS_NO:
        if claims.get(name) is True:
            return _deny("inactive", f"the response contains {name} = true")
    if "active" in claims and claims["active"] is not True:
        raise UndecidedError("not_an_answer", "active is neither true nor false")
    return None


def check_token_type(claims: Claims) -> Answer | None:
    """Only an access token that its bearer may use is accepted.

    A refresh or ID token is not meant for a service. A token with ``cnf`` is valid only together
    with a proof that XMPP does not transport (RFC 8705, RFC 9449).
    """
    token_type = claims.get("token_type")
    kind = token_type.lower() if isinstance(token_type, str) else token_type
    if claims.get("cnf") is not None or kind == "dpop":
        return _deny("sender_constrained", "the token is valid only with a proof of possession")
    for name in ("token_use", "typ"):
        value = str(claims.get(name, "")).lower()
        if value in _NOT_ACCESS_TOKENS or "refresh" in value or "offline" in value:
            return _deny("not_an_access_token", f"{name} names another kind of token")
    if kind not in (None, "bearer"):
        return _deny("not_an_access_token", "token_type is not Bearer")
    return None


def check_required(claims: Claims, required: Required) -> Answer | None:
    """Each required claim must be one of its values, compared strictly: ``1`` is not ``true``.

    A claim that is an array holds if one of its items does. An empty list requires nothing.
    """
    for name, expected in required.items():
        found = find_claim(claims, name)
        values = found if isinstance(found, list) else [found]
        allowed = expected if isinstance(expected, list) else [expected]
        if allowed and not any(strictly_equal(value, each) for value in values for each in allowed):
            state = "is missing" if found is MISSING else "is another value"
            detail = f"{name!r} {state}, and the configuration requires it"
            return _deny("claim_required", detail, _mismatch(name, allowed, found))
    return None


def check_times(claims: Claims) -> Answer | None:
    """``exp`` and ``nbf`` (RFC 7519 section 4.1), if they are there: seconds since 1970.

    Raises UndecidedError (``not_an_answer``) for a time that is not a number.
    """
    now = time.time()
    for name in ("exp", "nbf"):
        value = claims.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise UndecidedError("not_an_answer", f"{name} is not a number")
        if name == "exp" and value <= now:
            return _deny("expired", "the token has expired")
        if name == "nbf" and value > now:
            return _deny("not_yet_valid", "the token is not valid yet")
    return None


def check_audience(claims: Claims, expected: str | None) -> Answer | None:
    """``aud`` is a text or an array of texts (RFC 7519 section 4.1.3)."""
    found = claims.get("aud")
    if expected is None or found == expected:
        return None
    if isinstance(found, list) and expected in found:
        return None
    detail = "the token is for another service, or names no service"
    return _deny("wrong_audience", detail, Mismatch("audience", expected, found))


def check_issuer(claims: Claims, expected: str | None) -> Answer | None:
    if expected is None or claims.get("iss") == expected:
        return None
    detail = "the token is of another issuer, or names no issuer"
    return _deny("wrong_issuer", detail, Mismatch("issuer", expected, claims.get("iss")))


def check_scope(claims: Claims, expected: str | None) -> Answer | None:
    """``scope`` is a text with spaces between the scopes (RFC 7662 section 2.2)."""
    found = claims.get("scope")
    present = set(found.split(" ")) if isinstance(found, str) else set()
    if expected is None or set(expected.split()) <= present:
        return None
    detail = "the token lacks a scope that the configuration requires"
    return _deny("scope_missing", detail, Mismatch("scope", expected, found))


def _mismatch(name: str, allowed: list[Any], found: Any) -> Mismatch:
    expected = " or ".join(json.dumps(each, ensure_ascii=False) for each in allowed)
    return Mismatch(name, expected, None if found is MISSING else found)


def _deny(reason: str, detail: str, mismatch: Mismatch | None = None) -> Answer:
    return Answer(Verdict.DENY, reason, detail, mismatch)
