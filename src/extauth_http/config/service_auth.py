"""The ``service_auth`` table: how this program authenticates to a service, or to ejabberd's API."""

import re
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, SecretStr, field_validator, model_validator
from pydantic_core import PydanticCustomError

from extauth_http.config.endpoint import Endpoint, NetworkUrl
from extauth_http.config.section import WithSecrets

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

RESERVED_HEADERS = frozenset(
    {
        *("accept", "accept-encoding", "cache-control", "connection", "content-length"),
        *("content-type", "host", "transfer-encoding", "user-agent", "x-request-id"),
    }
)
"""Headers that this program sets itself, in lower case. Each of them occurs once in a request."""


def _header_value(secret: SecretStr) -> SecretStr:
    """A secret that is part of a header: not empty, one line, without white space around it."""
    text = secret.get_secret_value()
    if not text or text != text.strip() or not text.isprintable():
        raise ValueError("expected one line of text, not empty, without white space around it")
    return secret


HeaderValue = Annotated[SecretStr, AfterValidator(_header_value)]


class Bearer(WithSecrets):
    """``Authorization: Bearer TOKEN`` (RFC 6750)."""

    secrets = ("token",)
    kind: Literal["bearer"]
    token: HeaderValue
    token_file: Path | None = None

    def headers(self) -> list[tuple[bytes, bytes]]:
        return [(b"Authorization", b"Bearer " + self.token.get_secret_value().encode())]


class Basic(WithSecrets):
    """``Authorization: Basic …`` (RFC 7617), with user name and password in UTF-8."""

    secrets = ("password",)
    kind: Literal["basic"]
    username: str
    password: SecretStr
    password_file: Path | None = None

    @field_validator("username")
    @classmethod
    def _check_username(cls, username: str) -> str:
        if not username or ":" in username:
            # RFC 7617 section 2: the part after a colon would be read as the password.
            raise ValueError("expected a user name without a colon")
        return username

    def headers(self) -> list[tuple[bytes, bytes]]:
        pair = f"{self.username}:{self.password.get_secret_value()}"
        return [(b"Authorization", b"Basic " + b64encode(pair.encode()))]


class Header(WithSecrets):
    """A header that the service defines, such as ``X-Api-Key``."""

    secrets = ("value",)
    kind: Literal["header"]
    name: str
    value: HeaderValue
    value_file: Path | None = None

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError("expected the name of a header, such as X-Api-Key")
        if name.lower() in RESERVED_HEADERS:
            raise ValueError(f"extauth-http sets the header {name} itself; use another one")
        return name

    def headers(self) -> list[tuple[bytes, bytes]]:
        return [(self.name.encode(), self.value.get_secret_value().encode())]


class ClientCredentials(WithSecrets, arbitrary_types_allowed=True):
    """``Authorization: Bearer …`` with an access token that this program requests for itself, by
    the client credentials grant (RFC 6749 section 4.4).

    The token endpoint is ``token_url``, or is found by discovery at ``issuer``.
    """

    secrets = ("client_secret",)
    kind: Literal["oauth2"]
    token_url: NetworkUrl | None = None
    issuer: str | None = None
    client_id: str
    client_secret: SecretStr
    client_secret_file: Path | None = None
    client_auth: Literal["client_secret_basic", "client_secret_post"] = "client_secret_basic"
    scope: str | None = None
    audience: str | None = None

    @model_validator(mode="after")
    def _check_endpoint(self) -> Self:
        if (self.token_url is None) == (self.issuer is None):
            raise ValueError("expected either token_url or issuer")
        if self.issuer is not None:
            Endpoint.parse(self.issuer)
        return self

    @property
    def endpoint(self) -> Endpoint:
        """Where the first request for a token goes."""
        return self.token_url or Endpoint.parse(self.issuer or "")


StaticServiceAuth = Bearer | Basic | Header
ServiceAuth = StaticServiceAuth | ClientCredentials
STATIC_KINDS: dict[str, type[StaticServiceAuth]] = {
    "bearer": Bearer,
    "basic": Basic,
    "header": Header,
}
KINDS: dict[str, type[ServiceAuth]] = {**STATIC_KINDS, "oauth2": ClientCredentials}


def header_names(auth: ServiceAuth | None) -> list[str]:
    """The names of the headers that ``service_auth`` sends."""
    if auth is None:
        return []
    if isinstance(auth, ClientCredentials):
        return ["Authorization"]
    return [name.decode() for name, _ in auth.headers()]


def service_auth_of_kind(data: Any) -> Any:
    """A ``service_auth`` table of a backend as the model of its kind.

    Raises pydantic.ValidationError, which names the keys of that kind, and PydanticCustomError if
    the table names no such kind.
    """
    return _of_kind(data, KINDS)


def static_service_auth_of_kind(data: Any) -> Any:
    """The same for a service with a fixed credential: kind ``oauth2`` is an error."""
    return _of_kind(data, STATIC_KINDS)


def _of_kind(data: Any, kinds: Mapping[str, type[ServiceAuth]]) -> Any:
    if data is None or isinstance(data, WithSecrets):
        return data
    kind = data.get("kind") if isinstance(data, dict) else None
    if not isinstance(kind, str) or kind not in kinds:
        raise PydanticCustomError("kind", f"expected kind to be one of {', '.join(kinds)}")
    return kinds[kind].model_validate(data)
