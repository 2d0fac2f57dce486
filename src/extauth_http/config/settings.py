"""The configuration of the external authentication program."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from extauth_http.config.backend import BackendSettings, BackendTable
from extauth_http.config.loader import (
    PREFIX,
    ConfigError,
    read_toml,
    unknown_variables,
    validate,
    with_environment,
)
from extauth_http.config.section import Section, members
from extauth_http.protocol.preparation import nodeprep
from extauth_http.protocol.replies import Dialect


class LogSettings(Section):
    """The ``log`` table. Without ``file`` the log goes to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    file: Path | None = None
    format: Literal["json", "console"] = "json"


class HostSettings(Section):
    """A table ``hosts."HOST"``: the settings of one virtual host."""

    backend: Annotated[BackendTable, Field(...)]


class Settings(Section):
    """The whole file.

    ``deadline`` is in seconds, from packet to reply. ejabberd waits 30 s, and the time in the queue
    of the pool member counts (``protocol/limits.py``).
    """

    deadline: float = Field(default=8.0, ge=0.1, le=25.0)
    dialect: Dialect = Dialect.EJABBERD
    log: LogSettings = LogSettings()
    backend: BackendTable = None
    hosts: dict[str, HostSettings] = Field(default_factory=dict)
    ejabberd: Any = Field(default=None, repr=False)
    """The table of the commands for operators. ``config/ejabberd.py`` reads it."""
    signals: Any = Field(default=None, repr=False)
    """The table of ``extauth-http signals``. ``signals/settings.py`` reads it."""

    @field_validator("hosts", mode="before")
    @classmethod
    def _explain_table_names(cls, hosts: Any) -> Any:
        for host, table in hosts.items() if isinstance(hosts, dict) else ():
            if not isinstance(table, dict) or "backend" in table:
                continue
            if "kind" in table:
                raise ValueError(f'write [hosts."{host}".backend] instead of [hosts."{host}"]')
            for key, inner in table.items():
                if isinstance(inner, dict) and "backend" in inner:
                    raise ValueError(f'quote the name: [hosts."{host}.{key}".backend]')
        return hosts

    @field_validator("hosts")
    @classmethod
    def _prepare_host_names(cls, hosts: dict[str, HostSettings]) -> dict[str, HostSettings]:
        """ejabberd prepares the names of its virtual hosts with nameprep, which maps and normalises
        as nodeprep does."""
        prepared: dict[str, HostSettings] = {}
        for host, own in hosts.items():
            if {*host} & {*"*:/@ "} or not host:
                raise ValueError(
                    f"{host!r} is not the name of a virtual host; expected one such as example.org"
                )
            name = nodeprep(host)
            if name in prepared:
                raise ValueError(f"two tables are for the same virtual host: {name}")
            prepared[name] = own
        return prepared

    @model_validator(mode="after")
    def _check_has_backend(self) -> Self:
        if self.backend is None and not self.hosts:
            raise ValueError("expected a [backend] table, or a [hosts] table with a backend each")
        return self

    def backends(self) -> dict[str, BackendSettings]:
        """The backends by the key of their table: ``backend``, ``hosts.example.org.backend``."""
        found = {f"hosts.{host}.backend": own.backend for host, own in self.hosts.items()}
        return {
            key: backend
            for key, backend in {"backend": self.backend, **found}.items()
            if backend is not None
        }

    def warnings(self) -> list[str]:
        """Settings that are valid and dangerous: one sentence each."""
        own = [
            f"{key}.{warning}"
            for key, backend in self.backends().items()
            for warning in backend.warnings()
        ]
        return own + [
            f"{key}: credentials are sent to {endpoint} in clear text; use https to another machine"
            for key, backend in self.backends().items()
            for endpoint in backend.endpoints()
            if endpoint.is_exposed
        ]

    def files(self) -> list[Path]:
        """The files that were read for these settings, besides the configuration itself."""
        return [file for backend in self.backends().values() for file in _paths(backend)]


def _paths(section: BaseModel) -> list[Path]:
    found: list[Path] = []
    for _, value in section:
        for each in members(value):
            if isinstance(each, Path):
                found.append(each)
            elif isinstance(each, BaseModel):
                found += _paths(each)
    return found


class UnusableConfigError(ConfigError):
    """A configuration that the program cannot use.

    ``log`` and ``dialect`` are as much of it as can be used: the error is then logged where the
    operator expects it, and the server gets replies that it understands.
    """

    def __init__(self, problems: list[str], log: LogSettings, dialect: Dialect) -> None:
        super().__init__(problems)
        self.log = log
        self.dialect = dialect


def load_settings(file: Path | None, backend_of_kind: Callable[[Any], Any]) -> Settings:
    """The settings in a file and the environment. Raises UnusableConfigError.

    ``backend_of_kind`` turns a ``backend`` table into the settings of its kind.
    """
    data: dict[str, Any] = {}
    problems: list[str] = []
    try:
        data = read_toml(file)
        problems = unknown_variables(Settings)
        settings = validate(Settings, file, with_environment(Settings, data), backend_of_kind)
    except ConfigError as error:
        raise UnusableConfigError([*problems, *error.problems], *_log_and_dialect(data)) from None
    if problems:
        raise UnusableConfigError(problems, *_log_and_dialect(data))
    return settings


def _log_and_dialect(data: dict[str, Any]) -> tuple[LogSettings, Dialect]:
    """The log and the dialect of a configuration that has errors, or their defaults."""
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
