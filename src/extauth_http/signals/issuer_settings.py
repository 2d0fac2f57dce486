"""The ``signals.issuer`` tables: senders of signed tokens."""

import re
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator

from extauth_http.config.durations import parse_duration
from extauth_http.config.endpoint import Endpoint, NetworkUrl
from extauth_http.config.section import Section, WithSecrets
from extauth_http.config.service_auth import StaticServiceAuth, static_service_auth_of_kind
from extauth_http.config.signature_algorithms import ASYMMETRIC, MIN_SECRET, SYMMETRIC
from extauth_http.config.tls import Tls
from extauth_http.protocol.preparation import nodeprep

PLACEHOLDERS = frozenset({"sub", "email"})
"""What ``resolve.url`` can contain in braces."""


def _duration(value: Any) -> Any:
    return parse_duration(value) if isinstance(value, str) else value


Seconds = Annotated[float, BeforeValidator(_duration)]
"""A duration in the file (``10s``, ``2m``), as seconds."""


class ClientCredentialsSettings(WithSecrets):
    """An access token for the lookup, by the client credentials grant (RFC 6749 section 4.4)."""

    secrets = ("client_secret",)

    token_url: NetworkUrl
    client_id: str
    client_secret: SecretStr
    client_secret_file: Path | None = None
    scope: str | None = None


class ResolveSettings(Section, arbitrary_types_allowed=True):
    """A request that returns the name of a user whom the token identifies by ``sub`` or ``email``.

    ``url`` contains ``{sub}`` or ``{email}``. ``field`` is the member of the JSON response that
    holds the name.
    """

    url: str
    field: str = "username"
    service_auth: Annotated[
        StaticServiceAuth | None, BeforeValidator(static_service_auth_of_kind)
    ] = None
    client_credentials: ClientCredentialsSettings | None = None
    tls: Tls = Tls()

    @model_validator(mode="after")
    def _check(self) -> Self:
        placeholders = set(re.findall(r"\{(.*?)\}", self.url))
        if not placeholders or not placeholders <= PLACEHOLDERS:
            raise ValueError("url: expected {sub} or {email} in it")
        Endpoint.parse(re.sub(r"\{.*?\}", "x", self.url))
        if "{" in "/".join(self.url.split("/")[:3]):
            raise ValueError("url: expected the placeholder in the path or the query")
        if self.service_auth and self.client_credentials:
            raise ValueError("expected service_auth or client_credentials, not both")
        return self

    @property
    def placeholders(self) -> frozenset[str]:
        return frozenset(re.findall(r"\{(.*?)\}", self.url))

    def endpoints(self) -> list[Endpoint]:
        """The URLs that credentials or names of users are sent to."""
        found = [Endpoint.parse(re.sub(r"\{.*?\}", "x", self.url))]
        return [*found, self.client_credentials.token_url] if self.client_credentials else found


class IssuerSettings(WithSecrets, arbitrary_types_allowed=True):
    """A sender of signed tokens: an OpenID provider, or a transmitter of the Shared Signals
    Framework.

    - ``issuer``: the ``iss`` of its tokens, exactly.
    - ``audience``: the ``aud`` of its tokens, or a list of which one must be there.
    - ``claim``: the claim with the name of the user, with dots for nested objects.
    - ``match``: the name there, of the user ``{user}`` here. ``{host}`` stands for ``host``.
    - ``host``: the virtual host of the users.
    - ``jwks_url``: the issuer's keys. Without it, the discovery document names them.
    - ``client_secret``: allows HS256, HS384 and HS512 with this secret.
    - ``jid_escape``: a name there is escaped (XEP-0106) to be the user of a JID here; see
      ``jid_unescape`` of the backends.
    - ``max_age``: how long a logout token without ``exp`` is valid after its ``iat``.
    - ``event_max_age``: the same for a Security Event Token: its sender may repeat it for long.
    - ``clock_skew``: how far the issuer's clock and this one may differ.
    """

    secrets = ("client_secret",)

    issuer: str
    audience: str | list[str]
    claim: str = "preferred_username"
    match: str = "{user}"
    host: str
    jwks_url: NetworkUrl | None = None
    algorithms: list[str] | None = None
    client_secret: SecretStr | None = None
    client_secret_file: Path | None = None
    jid_escape: bool = False
    max_age: Seconds = Field(default=120.0, ge=1, le=3600)
    event_max_age: Seconds = Field(default=86_400.0, ge=1, le=2_592_000)
    clock_skew: Seconds = Field(default=30.0, ge=0, le=300)
    resolve: ResolveSettings | None = None
    tls: Tls = Tls()

    @field_validator("issuer")
    @classmethod
    def _check_issuer(cls, issuer: str) -> str:
        Endpoint.parse(issuer)
        return issuer

    @field_validator("host")
    @classmethod
    def _check_host(cls, host: str) -> str:
        if not host or host != nodeprep(host):
            raise ValueError("expected the host in lower case, as in hosts of ejabberd.yml")
        return host

    @field_validator("client_secret")
    @classmethod
    def _check_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret and len(secret.get_secret_value().encode()) < MIN_SECRET:
            raise ValueError(f"expected a secret of at least {MIN_SECRET} bytes (RFC 7518)")
        return secret

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.match.count("{user}") != 1:
            raise ValueError("match: expected {user} in it once")
        if not self.audiences or not all(self.audiences):
            raise ValueError("audience: expected the client id at the issuer")
        unknown = set(self.algorithms or ()) - ASYMMETRIC - SYMMETRIC
        if unknown:
            raise ValueError("algorithms: expected names of RFC 7518 and RFC 8037 signatures")
        if set(self.algorithms or ()) & SYMMETRIC and not self.client_secret:
            raise ValueError("algorithms: HS256, HS384 and HS512 need client_secret")
        if self.resolve and self.claim in self.resolve.placeholders:
            raise ValueError(
                f"claim: {self.claim!r} is what resolve.url asks with; name a claim with the user"
            )
        return self

    @property
    def audiences(self) -> frozenset[str]:
        return frozenset([self.audience] if isinstance(self.audience, str) else self.audience)

    @property
    def accepted_algorithms(self) -> frozenset[str]:
        """The configured ones, otherwise all that this issuer has a key for."""
        if self.algorithms is not None:
            return frozenset(self.algorithms)
        return ASYMMETRIC | SYMMETRIC if self.client_secret else ASYMMETRIC

    def endpoints(self) -> list[Endpoint]:
        """The URLs that must not be read or changed on the way."""
        found = [Endpoint.parse(self.issuer)]
        found += [self.jwks_url] if self.jwks_url else []
        return found + (self.resolve.endpoints() if self.resolve else [])
