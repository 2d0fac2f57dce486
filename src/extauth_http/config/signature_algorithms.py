"""The signature algorithms of tokens (RFC 7518 section 3.1, RFC 8037)."""

ASYMMETRIC = frozenset(
    {*("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), *("ES256", "ES384", "ES512", "EdDSA")}
)
"""Algorithms whose key is public."""

SYMMETRIC = frozenset({"HS256", "HS384", "HS512"})
"""Algorithms whose key is a secret. Accepted only if one is configured."""

MIN_SECRET = 32
"""Bytes of such a secret: RFC 7518 section 3.2 requires the size of the hash."""
