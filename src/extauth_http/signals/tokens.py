"""The checks that logout tokens and Security Event Tokens have in common.

A token is a JWT (RFC 7519) signed by a configured issuer. Its header only selects among the keys
and algorithms of that issuer: it never names a key, a URL or an algorithm that is not configured
(RFC 8725).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from extauth_http.config.signature_algorithms import SYMMETRIC
from extauth_http.signals.issuer_keys import IssuerKeys
from extauth_http.signals.issuer_settings import IssuerSettings
from extauth_http.signals.rejection import Reason, RejectedError

MAX_NAME = 512
"""Characters of a ``kid`` or ``jti``."""

LONGEST_VALIDITY = 86_400.0
"""Seconds after ``iat`` in which a token with ``exp`` is accepted. Limits the replay memory."""

NOT_VERIFIED = {"verify_signature": False}
SIGNATURE_ONLY = {
    **dict.fromkeys(
        ("verify_exp", "verify_nbf", "verify_iat", "verify_aud", "verify_iss", "verify_sub"), False
    ),
    "verify_jti": False,
    "verify_signature": True,
    "enforce_minimum_key_length": True,
}


@dataclass(frozen=True, slots=True)
class TrustedIssuer:
    """An issuer of the configuration, and its keys."""

    settings: IssuerSettings
    keys: IssuerKeys


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """A token whose signature, issuer, audience and times are right.

    ``identity`` is its ``jti``. ``issued`` is its ``iat``. It is valid until ``valid_until``; both
    are seconds since the epoch.
    """

    issuer: IssuerSettings
    claims: Mapping[str, Any]
    identity: str
    issued: float
    valid_until: float


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What the kinds of tokens do not have in common: the accepted ``typ``, in lower case, and how
    long a token without ``exp`` is valid after its ``iat``."""

    types: frozenset[str]
    max_age: Callable[[IssuerSettings], float]


async def verify(
    token: str, find_issuer: Callable[[str], TrustedIssuer | None], rules: TokenRules, now: float
) -> VerifiedToken:
    """Raises RejectedError."""
    header, unverified = _parse(token)
    name = unverified.get("iss")
    issuer = find_issuer(name) if isinstance(name, str) else None
    if issuer is None:
        raise RejectedError(Reason.UNKNOWN_ISSUER, "iss is not a configured issuer")
    algorithm = _check_header(header, issuer.settings, rules)
    claims = await _check_signature(token, header.get("kid"), algorithm, issuer)
    _check_audience(claims, issuer.settings)
    issued, valid_until = _check_times(claims, issuer.settings, rules, now)
    identity = claims.get("jti")
    if not isinstance(identity, str) or not 0 < len(identity) <= MAX_NAME:
        raise RejectedError(Reason.MISSING_CLAIM, "jti is missing or not a text")
    return VerifiedToken(issuer.settings, claims, identity, issued, valid_until)


def _parse(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The header and the claims, before the signature is verified."""
    try:
        found = jwt.decode_complete(token, options=NOT_VERIFIED)  # type: ignore[arg-type]
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError, RecursionError):
        raise RejectedError(Reason.MALFORMED, "not a signed JWT") from None
    return found["header"], found["payload"]


def _check_header(header: Mapping[str, Any], issuer: IssuerSettings, rules: TokenRules) -> str:
    """Returns the algorithm."""
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in issuer.accepted_algorithms:
        raise RejectedError(Reason.ALGORITHM, "alg is not accepted from this issuer")
    if "crit" in header or "b64" in header:
        raise RejectedError(Reason.MALFORMED, "crit is not supported")
    key_id = header.get("kid")
    if key_id is not None and not (isinstance(key_id, str) and len(key_id) <= MAX_NAME):
        raise RejectedError(Reason.MALFORMED, "kid is not a text")
    kind = header.get("typ")
    if kind is not None:
        name = kind.lower().removeprefix("application/") if isinstance(kind, str) else ""
        if name not in rules.types:
            raise RejectedError(Reason.TOKEN_TYPE, "typ is that of another kind of token")
    return algorithm


async def _check_signature(
    token: str, key_id: str | None, algorithm: str, issuer: TrustedIssuer
) -> Mapping[str, Any]:
    """Returns the claims that were signed."""
    if algorithm in SYMMETRIC:
        secret = issuer.settings.client_secret
        if secret is None:
            raise RejectedError(Reason.ALGORITHM, "alg is not accepted from this issuer")
        claims = _decode(token, algorithm, [secret.get_secret_value()])
    else:
        claims = _decode(token, algorithm, await issuer.keys.find(key_id, algorithm))
        if claims is None:
            claims = _decode(token, algorithm, await issuer.keys.find_again(key_id, algorithm))
    if claims is None:
        raise RejectedError(Reason.SIGNATURE, "the signature is wrong")
    if claims.get("iss") != issuer.settings.issuer:
        raise RejectedError(Reason.UNKNOWN_ISSUER, "iss is not this issuer")
    return claims


def _decode(
    token: str, algorithm: str, keys: "list[jwt.PyJWK] | list[str]"
) -> dict[str, Any] | None:
    """The claims if one of the keys made the signature."""
    for key in keys:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                options=SIGNATURE_ONLY,  # type: ignore[arg-type]
            )
        except (jwt.PyJWTError, ValueError, TypeError):
            continue
        return claims
    return None


def _check_audience(claims: Mapping[str, Any], issuer: IssuerSettings) -> None:
    found = claims.get("aud")
    named = found if isinstance(found, list) else [found]
    if not any(isinstance(each, str) and each in issuer.audiences for each in named):
        raise RejectedError(Reason.AUDIENCE, "aud does not name this receiver")


def _check_times(
    claims: Mapping[str, Any], issuer: IssuerSettings, rules: TokenRules, now: float
) -> tuple[float, float]:
    """Returns ``iat`` and the end of the validity."""
    skew = issuer.clock_skew
    issued = number(claims, "iat")
    if issued is None:
        raise RejectedError(Reason.MISSING_CLAIM, "iat is missing")
    if issued > now + skew:
        raise RejectedError(Reason.ISSUED_IN_FUTURE, "iat is in the future; compare the clocks")
    not_before = number(claims, "nbf")
    if not_before is not None and not_before > now + skew:
        raise RejectedError(Reason.ISSUED_IN_FUTURE, "nbf is in the future; compare the clocks")
    expires = number(claims, "exp")
    if expires is None:
        valid_until = issued + rules.max_age(issuer) + skew
    else:
        valid_until = min(expires, issued + max(LONGEST_VALIDITY, rules.max_age(issuer))) + skew
    if valid_until <= now:
        raise RejectedError(Reason.EXPIRED, "the token is too old; compare the clocks")
    return issued, valid_until


def number(claims: Mapping[str, Any], name: str) -> float | None:
    """A NumericDate (RFC 7519 section 2); None if it is missing. Raises RejectedError."""
    value = claims.get(name)
    if value is None:
        return None
    try:
        if not isinstance(value, bool) and isinstance(value, int | float):
            seconds = float(value)
            if math.isfinite(seconds):
                return seconds
    except OverflowError:
        pass
    raise RejectedError(Reason.MALFORMED, f"{name} is not a number")
