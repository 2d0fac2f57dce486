"""The configuration: a TOML file, overridden by ``EXTAUTH_HTTP_…`` in the environment."""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from extauth_http.backends import BackendSettings, SomeBackend
from extauth_http.protocol import Dialect
from extauth_http.service_auth import Section

PREFIX = "EXTAUTH_HTTP_"
CONFIG_VARIABLE = f"{PREFIX}CONFIG"
DEFAULT_FILE = Path("/etc/ejabberd/extauth-http.toml")

LOOPBACK = {b"localhost", b"::1"}


class LogSettings(Section):
    """The ``log`` table. Without ``file`` the log goes to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    file: Path | None = None
    format: Literal["json", "console"] = "json"


class HostSettings(Section):
    """What one virtual host has of its own."""

    backend: Annotated[SomeBackend, Field(...)]


class FileAndEnvironment(BaseSettings):
    """Settings of which the environment goes before the file, whose content comes as arguments."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        arbitrary_types_allowed=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings


class Settings(FileAndEnvironment):
    """All of it. ``deadline`` is in seconds, everything included; ejabberd itself gives up after
    30 s, queueing included, so it has to stay well below that."""

    deadline: float = Field(default=8.0, ge=0.1, le=25.0)
    dialect: Dialect = Dialect.EJABBERD
    log: LogSettings = LogSettings()
    backend: SomeBackend = None
    hosts: dict[str, HostSettings] = Field(default_factory=dict)
    ejabberd: Any = Field(default=None, repr=False)
    """Of the commands about users and rooms, and read by them alone."""

    @field_validator("hosts")
    @classmethod
    def _hosts_are_prepared(cls, hosts: dict[str, HostSettings]) -> dict[str, HostSettings]:
        for host in hosts:
            if host != host.lower():
                raise ValueError(f"expected {host!r} in lower case, as ejabberd sends it")
        return hosts

    @model_validator(mode="after")
    def _somebody_decides(self) -> Self:
        if self.backend is None and not self.hosts:
            raise ValueError("expected a [backend] table, or a [hosts] table with a backend each")
        return self

    def backends(self) -> dict[str, BackendSettings]:
        """The backends by where they stand in the configuration."""
        found = {f"hosts.{host}.backend": own.backend for host, own in self.hosts.items()}
        return {
            where: backend
            for where, backend in {"backend": self.backend, **found}.items()
            if backend is not None
        }

    def warnings(self) -> list[str]:
        """What is allowed and yet dangerous, in a sentence each."""
        return [
            f"{where}: credentials go to {endpoint} in clear text; use https to another machine"
            for where, backend in self.backends().items()
            for endpoint in backend.endpoints()
            if not endpoint.is_encrypted and not is_loopback(endpoint.origin.host)
        ]

    def files(self) -> list[Path]:
        """The files that were read for these settings, besides the configuration itself."""
        return [file for backend in self.backends().values() for file in _paths(backend)]


def is_loopback(host: bytes) -> bool:
    """Whether a name or address can only be this machine."""
    return host in LOOPBACK or (host.startswith(b"127.") and host.replace(b".", b"").isdigit())


def _paths(section: BaseModel) -> list[Path]:
    found: list[Path] = []
    for _, value in section:
        if isinstance(value, Path):
            found.append(value)
        elif isinstance(value, BaseModel):
            found += _paths(value)
    return found


class BadSettings(Exception):  # noqa: N818 - reads as what it is
    """A configuration that cannot be used: what is wrong, a sentence each, without any value.

    ``log`` and ``dialect`` are what could be saved of it, so that the error gets to where the
    operator looks and the server gets a reply that it knows.
    """

    def __init__(
        self,
        problems: list[str],
        log: LogSettings | None = None,
        dialect: Dialect = Dialect.EJABBERD,
    ) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems
        self.log = log or LogSettings()
        self.dialect = dialect


def config_file(argument: Path | None, environ: Mapping[str, str] = os.environ) -> Path | None:
    """The file to read: the argument, else ``EXTAUTH_HTTP_CONFIG``, else the usual place; None
    where nothing is at the usual place and the environment holds a backend."""
    if argument:
        return argument
    if environ.get(CONFIG_VARIABLE):
        return Path(environ[CONFIG_VARIABLE])
    from_environment = any(name.upper().startswith(f"{PREFIX}BACKEND__") for name in environ)
    # Path.exists raises PermissionError: the folder may be closed to whoever asks.
    if from_environment and not os.path.exists(DEFAULT_FILE):  # noqa: PTH110
        return None
    return DEFAULT_FILE


def load(file: Path | None) -> Settings:
    """The settings in a file and the environment. Raises BadSettings."""
    data: dict[str, Any] = {}
    if file is not None:
        try:
            with file.open("rb") as opened:
                data = tomllib.load(opened)
        except OSError as error:
            problem = f"{file}: cannot be read: {error.strerror}"
            raise BadSettings([problem], *_saved(data)) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise BadSettings([f"{file}: not TOML: {error}"], *_saved(data)) from None
        except (RecursionError, ValueError):
            why = "nested too deeply, or a number with too many digits"
            problem = f"{file}: not TOML that can be read: {why}"
            raise BadSettings([problem], *_saved(data)) from None
    problems = _unknown_variables()
    try:
        settings = Settings(**data)
    except ValidationError as error:
        problems += sentences(file, error)
    except SettingsError:
        problems.append(f"environment: expected JSON where a variable {PREFIX}… is a whole table")
    except Exception as error:  # noqa: BLE001 - a backend's settings may raise anything
        problems.append(f"{file}: a backend's settings failed with {type(error).__name__}")
    if problems:
        raise BadSettings(problems, *_saved(data))
    return settings


def sentences(file: Path | None, error: ValidationError) -> list[str]:
    """What is wrong, a sentence each, without any value."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [_sentence(file, problem["loc"], problem["msg"]) for problem in found]


def _unknown_variables() -> list[str]:
    known = {PREFIX + name.upper() for name in Settings.model_fields} | {CONFIG_VARIABLE}
    return [
        f"environment variable {name}: unknown key"
        for name in sorted(os.environ)
        if name.upper().startswith(PREFIX) and name.upper().split("__")[0] not in known
    ]


def _sentence(file: Path | None, place: tuple[int | str, ...], message: str) -> str:
    """Where it is and what was expected. pydantic's texts hold no value here."""
    for theirs, ours in _WORDING.items():
        message = re.sub(theirs, ours, message)
    variable = PREFIX + "__".join(str(part).upper() for part in place)
    if place and variable in {name.upper() for name in os.environ}:
        return f"environment variable {variable}: {message}"
    key = ".".join(str(part) if "." not in str(part) else f'"{part}"' for part in place)
    return ": ".join(part for part in (str(file or "environment"), key, message) if part)


_WORDING = {
    "^Value error, ": "",
    "^Assertion failed, ": "",
    "^Input should be": "expected",
    "a valid dictionary( or instance of [A-Za-z]+)?$": "a table",
    "a valid boolean, .*": "true or false",
    "a valid number, .*": "a number",
    "^Input is not a valid path .*": "expected a path",
    "Extra inputs are not permitted": "unknown key",
    "Field required": "expected, but not there",
}


def _saved(data: dict[str, Any]) -> tuple[LogSettings, Dialect]:
    log = dict(data["log"]) if isinstance(data.get("log"), dict) else {}
    for name, value in os.environ.items():
        if name.upper().startswith(f"{PREFIX}LOG__"):
            log[name.upper().removeprefix(f"{PREFIX}LOG__").lower()] = value
    dialect = os.environ.get(f"{PREFIX}DIALECT", data.get("dialect"))
    try:
        usable = LogSettings(**log)
    except (ValidationError, TypeError):
        usable = LogSettings()
    return usable, Dialect.BOOLEAN if dialect == "boolean" else Dialect.EJABBERD
