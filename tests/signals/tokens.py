"""Tokens as providers send them, signed with keys made for the test."""

import json
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

ISSUER = "https://login.example.org/realms/example"
AUDIENCE = "xmpp"
HOST = "example.org"
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
RISC = "https://schemas.openid.net/secevent/risc/event-type/"


@dataclass
class SigningKey:
    """A private key; ``jwk`` is its public part."""

    algorithm: str
    kid: str | None
    private: Any = field(repr=False)

    @property
    def jwk(self) -> dict[str, Any]:
        found: dict[str, Any] = jwt.get_algorithm_by_name(self.algorithm).to_jwk(
            self.private.public_key(), as_dict=True
        )
        found.pop("key_ops", None)
        return {**found, **({"kid": self.kid} if self.kid else {}), "use": "sig"}

    @property
    def public_pem(self) -> str:
        found: bytes = self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return found.decode()

    def sign(self, claims: dict[str, Any], typ: str | None = None, **header: Any) -> str:
        named = {"kid": self.kid} if self.kid else {}
        return jwt.encode(
            claims, self.private, self.algorithm, headers={"typ": typ, **named, **header}
        )


def rsa_key(kid: str | None = "rsa-1", bits: int = 2048) -> SigningKey:
    return SigningKey("RS256", kid, rsa.generate_private_key(65537, bits))


def ec_key(kid: str | None = "ec-1") -> SigningKey:
    return SigningKey("ES256", kid, ec.generate_private_key(ec.SECP256R1()))


def ed_key(kid: str | None = "ed-1") -> SigningKey:
    return SigningKey("EdDSA", kid, ed25519.Ed25519PrivateKey.generate())


def jwks(*keys: SigningKey) -> str:
    return json.dumps({"keys": [key.jwk for key in keys]})


def without(claims: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in claims.items() if name not in names}


def logout_claims(**changes: Any) -> dict[str, Any]:
    """As oidc-provider 9 sends them, and the name of the user in ``sub``."""
    now = int(time.time())
    return {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + 120,
        "jti": uuid.uuid4().hex,
        "sub": "alice",
        "events": {LOGOUT_EVENT: {}},
        **changes,
    }


def set_claims(
    kind: str = f"{CAEP}session-revoked", event: dict[str, Any] | None = None, **changes: Any
) -> dict[str, Any]:
    """As a transmitter of the Shared Signals Framework 1.0 sends them."""
    return {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": int(time.time()),
        "jti": uuid.uuid4().hex,
        "sub_id": {"format": "iss_sub", "iss": ISSUER, "sub": "alice"},
        "events": {kind: event or {}},
        **changes,
    }


class In(int):
    """Seconds from now, of the moment at which the token is made."""


def at(seconds: int) -> int:
    return int(time.time()) + seconds


def dated(changes: dict[str, Any]) -> dict[str, Any]:
    return {name: at(value) if isinstance(value, In) else value for name, value in changes.items()}
