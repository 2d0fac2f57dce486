"""The ``jwt`` kind: the password is a signed token, verified with the keys of its issuer (RFC 7519,
RFC 8725, RFC 9068).

A signed token cannot be revoked before it expires. The kind therefore needs either ``confirm``, a
backend that is asked after the signature was verified, or an explicit ``revocation``.
"""

import binascii
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import jwt
from pydantic import BeforeValidator, SecretStr, field_validator, model_validator

from extauth_http.backends.issuer_jwks import UNKNOWN_KEY, IssuerJwks
from extauth_http.backends.registry import backend_class, backend_of_kind
from extauth_http.backends.token import TokenBackend, TokenSettings
from extauth_http.config.backend import BackendSettings
from extauth_http.config.endpoint import Endpoint, NetworkUrl
from extauth_http.config.section import WithSecrets
from extauth_http.config.signature_algorithms import ASYMMETRIC, MIN_SECRET, SYMMETRIC
from extauth_http.http.client import HttpClient
from extauth_http.http.response import strict_json
from extauth_http.protocol.command import Command
from extauth_http.protocol.verdict import Answer, Verdict

MAX_KEY_ID = 512
"""Characters of a ``kid``."""

SIGNATURE_SECONDS = 60.0
"""If a signature is wrong and the keys are older than this, they are requested again: an issuer
may have changed a key without changing its name."""

ID_TOKEN_CLAIMS = ("nonce", "at_hash", "c_hash")
"""Claims of ID tokens (OpenID Connect Core 1.0). An ID token is not meant for a service, but it has
the same issuer, and often the same audience."""

NOT_A_TOKEN = Answer(Verdict.DENY, "not_a_token", "the password is not a signed token")


class JwtSettings(TokenSettings, WithSecrets):
    """``audience`` is required: the issuer signs tokens for other services, too.

    The keys are at ``jwks_url``, or are found by discovery at ``issuer``. With ``secret``, the
    algorithms are HS256, HS384 and HS512 instead. ``types`` are the accepted values of ``typ`` in
    the header, in lower case; "" stands for none.
    """

    default_claim: ClassVar[str] = "sub"
    secrets = ("secret",)

    jwks_url: NetworkUrl | None = None
    secret: SecretStr | None = None
    secret_file: Path | None = None
    algorithms: tuple[str, ...] | None = None
    types: tuple[str, ...] = ("at+jwt", "jwt", "")
    confirm: Annotated[BackendSettings | None, BeforeValidator(backend_of_kind)] = None
    """The backend that is asked for ``auth`` after the token was verified."""
    revocation: Literal["at-expiry"] | None = None

    @field_validator("secret")
    @classmethod
    def _check_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret and len(secret.get_secret_value().encode()) < MIN_SECRET:
            raise ValueError(f"expected a secret of at least {MIN_SECRET} bytes (RFC 7518)")
        return secret

    @model_validator(mode="after")
    def _check_jwt(self) -> Self:
        if self.issuer is None or self.audience is None:
            raise ValueError("expected issuer and audience: iss and aud of the tokens")
        if (self.confirm is None) == (self.revocation is None):
            raise ValueError(
                "a signed token cannot be revoked before it expires: expected either confirm, a "
                'backend that is asked as well, or revocation = "at-expiry"'
            )
        if self.secret is not None and self.jwks_url is not None:
            raise ValueError("expected secret or jwks_url, not both")
        usable = ASYMMETRIC if self.secret is None else SYMMETRIC
        if (self.algorithms is not None and not set(self.algorithms) <= usable) or not usable:
            raise ValueError(f"algorithms: expected some of {', '.join(sorted(usable))}")
        if self.algorithms == ():
            raise ValueError("algorithms: expected at least one")
        for key in ("service_auth", "echo"):
            if key in self.model_fields_set:
                raise ValueError(f"{key}: the keys of the issuer are public; set it in confirm")
        if self.secret is None:
            Endpoint.parse(self.issuer)
            return self
        for key in ("tls", "trust_env", "reuse_connections", "breaker_limit"):
            if key in self.model_fields_set:
                raise ValueError(f"{key}: with secret, no keys are requested; set it in confirm")
        return self

    @property
    def accepted_algorithms(self) -> frozenset[str]:
        if self.algorithms is not None:
            return frozenset(self.algorithms)
        return ASYMMETRIC if self.secret is None else SYMMETRIC

    def endpoints(self) -> list[Endpoint]:
        found = super().endpoints()
        if self.secret is not None or self.issuer is None:
            return found
        return found if self.jwks_url else [*found, Endpoint.parse(self.issuer)]

    def warnings(self) -> list[str]:
        """As in the base class, and that a revoked token stays valid."""
        found = super().warnings()
        if self.revocation:
            found.append("revocation: a token continues to work until it expires")
        return found


class Jwt(TokenBackend):
    Settings = JwtSettings

    def __init__(self, settings: JwtSettings) -> None:
        super().__init__(settings)
        self._algorithms = settings.accepted_algorithms
        self._types = settings.types
        self._secret = settings.secret.get_secret_value() if settings.secret else None
        self._keys = IssuerJwks(settings.issuer or "", settings.jwks_url)
        self._confirm = (
            backend_class(settings.confirm.kind)(settings.confirm) if settings.confirm else None
        )

    def close(self) -> None:
        super().close()
        if self._confirm:
            self._confirm.close()

    def auth(self, command: Command, http: HttpClient) -> Verdict | Answer:
        header = _header(command.password)
        if header is None:
            return NOT_A_TOKEN
        if denied := self._check_header(header):
            return denied
        claims = self._verify(command.password, header, http)
        if isinstance(claims, Answer):
            return claims
        answer = _check_access_token(claims) or self.check_claims(claims, command)
        if answer.verdict is not Verdict.ALLOW or self._confirm is None:
            return answer
        nested = http.nested("confirm")
        try:
            return self._confirm.auth(command, nested)
        finally:
            http.adopt(nested)

    def _check_header(self, header: dict[str, Any]) -> Answer | None:
        """The header selects among what is configured. It never names a key or a URL: ``jwk``,
        ``jku``, ``x5u`` and ``x5c`` are not read (RFC 8725 section 3.10)."""
        if header.get("alg") not in self._algorithms:
            return Answer(Verdict.DENY, "algorithm", "alg of the token is not accepted")
        kind = header.get("typ", "")
        name = kind.lower().removeprefix("application/") if isinstance(kind, str) else None
        if name not in self._types:
            return Answer(Verdict.DENY, "not_an_access_token", "typ names another kind of token")
        key_id = header.get("kid")
        is_name = key_id is None or (isinstance(key_id, str) and len(key_id) <= MAX_KEY_ID)
        if not is_name or "crit" in header or "b64" in header:
            return NOT_A_TOKEN
        return None

    def _verify(
        self, token: str, header: dict[str, Any], http: HttpClient
    ) -> dict[str, Any] | Answer:
        """The signed claims, or a DENY. Raises UndecidedError (``keys_unavailable``)."""
        algorithm, key_id = header["alg"], header.get("kid")
        payload: bytes | None
        if self._secret is not None:
            payload = _signed(token, algorithm, [self._secret])
        else:
            keys = self._keys.find(key_id, algorithm, http)
            if not keys:
                return UNKNOWN_KEY
            payload = _signed(token, algorithm, keys)
            if payload is None and self._keys.age > SIGNATURE_SECONDS:
                keys = self._keys.find_again(key_id, algorithm, http)
                payload = _signed(token, algorithm, keys)
        if payload is None:
            return Answer(Verdict.DENY, "signature", "the signature of the token is wrong")
        try:
            claims = strict_json(payload)
        except (ValueError, RecursionError):
            claims = None
        return claims if isinstance(claims, dict) else NOT_A_TOKEN


def _header(token: str) -> dict[str, Any] | None:
    """The header of a signed token in compact form (RFC 7515 section 7.1), or None."""
    parts = token.split(".")
    if len(parts) != 3 or not all(parts) or not token.isascii():
        return None
    try:
        data = urlsafe_b64decode(parts[0] + "=" * (-len(parts[0]) % 4))
        found = strict_json(data)
    except (binascii.Error, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("alg"), str) else None


def _signed(token: str, algorithm: str, keys: "list[jwt.PyJWK] | list[str]") -> bytes | None:
    """The payload if one of the keys made the signature."""
    for key in keys:
        try:
            found = _JWS.decode_complete(token, key, [algorithm])
        except (jwt.PyJWTError, ValueError, TypeError):
            continue
        payload: bytes = found["payload"]
        return payload
    return None


_JWS = jwt.PyJWS(options={"enforce_minimum_key_length": True})


def _check_access_token(claims: dict[str, Any]) -> Answer | None:
    if any(name in claims for name in ID_TOKEN_CLAIMS):
        return Answer(Verdict.DENY, "not_an_access_token", "the token is an ID token")
    if "exp" not in claims:
        return Answer(Verdict.DENY, "expired", "the token has no exp, so it would never expire")
    for name in ("exp", "nbf"):
        value = claims.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            return Answer(Verdict.DENY, "not_a_token", f"{name} is not a number")
    return None
