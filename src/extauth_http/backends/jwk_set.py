"""The public keys of an issuer (RFC 7517), and signatures made with them."""

import json
from typing import Any

import jwt

MAX_KEYS = 100
"""Keys of one issuer. More are ignored."""

_KEY_TYPES = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
Jwk = dict[str, Any]


class KeysError(Exception):
    """The keys cannot be retrieved, or are not a JWK Set. The text is for the log."""


def parse_jwks(text: str) -> list[Jwk]:
    """The public signature keys of a JWK Set (RFC 7517 section 5). Raises KeysError.

    Symmetric keys and keys for encryption are left out.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise KeysError("the JWK Set is not JSON") from None
    keys = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(keys, list):
        raise KeysError("the JWK Set has no list of keys")
    return [key for key in keys if isinstance(key, dict) and _is_for_signatures(key)][:MAX_KEYS]


def _is_for_signatures(key: Jwk) -> bool:
    return key.get("kty") in ("RSA", "EC", "OKP") and key.get("use", "sig") == "sig"


class JwkSet:
    """The keys of one document. Each is prepared at its first use."""

    def __init__(self, keys: list[Jwk]) -> None:
        self._keys = keys
        self._prepared: dict[tuple[int, str], jwt.PyJWK | None] = {}

    def matching(self, key_id: str | None, algorithm: str) -> list[jwt.PyJWK]:
        """The keys that can have made a signature."""
        found = [
            self._prepare(number, key, algorithm)
            for number, key in enumerate(self._keys)
            if _fits(key, key_id, algorithm)
        ]
        return [key for key in found if key is not None]

    def _prepare(self, number: int, key: Jwk, algorithm: str) -> jwt.PyJWK | None:
        """None for a key that cannot be used, such as one with a wrong number."""
        place = (number, algorithm)
        if place not in self._prepared:
            try:
                self._prepared[place] = jwt.PyJWK(key, algorithm)
            except (jwt.PyJWTError, ValueError, TypeError):
                self._prepared[place] = None
        return self._prepared[place]


def _fits(key: Jwk, key_id: str | None, algorithm: str) -> bool:
    return (
        (key_id is None or key.get("kid") == key_id)
        and key["kty"] == _KEY_TYPES.get(algorithm[:2])
        and key.get("alg", algorithm) == algorithm
        and key.get("crv") == _CURVES.get(algorithm, key.get("crv"))
    )
