"""Who this program is to the service, and where its secrets come from."""

from base64 import b64encode
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, SecretStr, model_validator
from pydantic_core import PydanticCustomError


class Section(BaseModel):
    """A table of the configuration: frozen, no unknown keys, nothing of it in error texts."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class WithSecrets(Section):
    """A table in which each key named in ``secrets`` may be given as ``KEY_file`` instead: the
    file's content, without the line end, is the value."""

    secrets: ClassVar[tuple[str, ...]] = ()

    @model_validator(mode="before")
    @classmethod
    def _read_files(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        data = dict(data)
        for key in cls.secrets:
            named = data.get(f"{key}_file")
            if named is None:
                continue
            if data.get(key) is not None:
                raise PydanticCustomError("secret", f"expected {key} or {key}_file, not both")
            data[key] = read_secret(f"{key}_file", Path(str(named)))
        return data


def read_secret(key: str, file: Path) -> str:
    """The secret in a file, without the line end."""
    try:
        text = file.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise PydanticCustomError(
            "secret", f"{key}: cannot read {file}: {error.strerror}"
        ) from None
    except UnicodeDecodeError:
        raise PydanticCustomError("secret", f"{key}: {file} is not UTF-8 text") from None
    if not text:
        raise PydanticCustomError("secret", f"{key}: {file} is empty")
    if not text.isprintable():
        raise PydanticCustomError("secret", f"{key}: {file} holds more than one line of text")
    return text


class Bearer(WithSecrets):
    """``Authorization: Bearer TOKEN`` (RFC 6750)."""

    secrets = ("token",)
    kind: Literal["bearer"]
    token: SecretStr
    token_file: Path | None = None

    def headers(self) -> list[tuple[bytes, bytes]]:
        return [(b"Authorization", b"Bearer " + self.token.get_secret_value().encode())]


class Basic(WithSecrets):
    """``Authorization: Basic …`` (RFC 7617), UTF-8."""

    secrets = ("password",)
    kind: Literal["basic"]
    username: str
    password: SecretStr
    password_file: Path | None = None

    def headers(self) -> list[tuple[bytes, bytes]]:
        pair = f"{self.username}:{self.password.get_secret_value()}"
        return [(b"Authorization", b"Basic " + b64encode(pair.encode()))]


class Header(WithSecrets):
    """A header of the service's own, such as ``X-Api-Key``."""

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
    """Validates a ``service_auth`` table as the kind it names, so that an error names its keys."""
    if data is None or isinstance(data, Bearer | Basic | Header):
        return data
    kind = data.get("kind") if isinstance(data, dict) else None
    if kind not in KINDS:
        raise PydanticCustomError("kind", f"expected kind to be one of {', '.join(KINDS)}")
    return KINDS[kind].model_validate(data)
