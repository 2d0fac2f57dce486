"""The ``service_auth`` table: how this program authenticates to a service, or to ejabberd's API."""

from base64 import b64encode
from pathlib import Path
from typing import Any, Literal

from pydantic import SecretStr
from pydantic_core import PydanticCustomError

from extauth_http.config.section import WithSecrets


class Bearer(WithSecrets):
    """``Authorization: Bearer TOKEN`` (RFC 6750)."""

    secrets = ("token",)
    kind: Literal["bearer"]
    token: SecretStr
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

    def headers(self) -> list[tuple[bytes, bytes]]:
        pair = f"{self.username}:{self.password.get_secret_value()}"
        return [(b"Authorization", b"Basic " + b64encode(pair.encode()))]


class Header(WithSecrets):
    """A header that the service defines, such as ``X-Api-Key``."""

    secrets = ("value",)
    kind: Literal["header"]
    name: str
    value: SecretStr
    value_file: Path | None = None

    def headers(self) -> list[tuple[bytes, bytes]]:
        return [(self.name.encode(), self.value.get_secret_value().encode())]


ServiceAuth = Bearer | Basic | Header
KINDS: dict[str, type[Bearer] | type[Basic] | type[Header]] = {
    "bearer": Bearer,
    "basic": Basic,
    "header": Header,
}


def service_auth_of_kind(data: Any) -> Any:
    """A ``service_auth`` table as the model of its kind.

    Raises pydantic.ValidationError, which names the keys of that kind, and PydanticCustomError if
    the table names no such kind.
    """
    if data is None or isinstance(data, Bearer | Basic | Header):
        return data
    kind = data.get("kind") if isinstance(data, dict) else None
    if kind not in KINDS:
        raise PydanticCustomError("kind", f"expected kind to be one of {', '.join(KINDS)}")
    return KINDS[kind].model_validate(data)
