"""Issuers for tests: settings, and keys that come from a function instead of the network."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from extauth_http.signals.issuer_keys import IssuerKeys
from extauth_http.signals.issuer_settings import IssuerSettings
from extauth_http.signals.receiver import Message, Receiver
from extauth_http.signals.rejection import Reason, RejectedError
from extauth_http.signals.tokens import TrustedIssuer
from tests.signals.tokens import AUDIENCE, HOST, ISSUER, SigningKey, ec_key, ed_key, jwks, rsa_key

RSA, EC, ED = rsa_key(), ec_key(), ed_key()
OTHER = rsa_key("rsa-1")
"""A key of somebody else with the name of ours."""

CLIENT_SECRET = "a-client-secret-of-more-than-32-bytes"


def settings(**changes: Any) -> IssuerSettings:
    """The user is named by ``sub`` unless a test says otherwise."""
    given = {"issuer": ISSUER, "audience": AUDIENCE, "host": HOST, "claim": "sub", **changes}
    return IssuerSettings.model_validate(given)


def keys_of(*keys: SigningKey) -> IssuerKeys:
    return IssuerKeys(lambda: jwks(*keys))


def receiver(*keys: SigningKey, fetch: Callable[[], str] | None = None, **changes: Any) -> Receiver:
    trusted = TrustedIssuer(
        settings(**changes), IssuerKeys(fetch) if fetch else keys_of(*(keys or (RSA, EC, ED)))
    )
    return Receiver({ISSUER: trusted})


def logout(token: str, by: Receiver | None = None) -> Message:
    return asyncio.run((by or receiver()).logout(token))


def security_event(token: str, by: Receiver | None = None) -> Message:
    return asyncio.run((by or receiver()).security_event(token))


def rejected(token: str, by: Receiver | None = None, *, as_set: bool = False) -> Reason:
    with pytest.raises(RejectedError) as caught:
        (security_event if as_set else logout)(token, by)
    return caught.value.reason


def users(message: Message) -> list[str]:
    """Whose sessions end."""
    return [str(arrival.event.subject) for arrival in message.arrivals]


def oct_jwks() -> str:
    return json.dumps({"keys": [{"kty": "oct", "kid": "rsa-1", "k": "c2VjcmV0" * 8}]})
