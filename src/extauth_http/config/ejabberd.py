"""The ``ejabberd`` table: the admin API and the account of the commands for operators.

The external authentication program ignores this table. A mistake in it, or a secret that only the
operator may read, has no effect on logins.
"""

from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import BeforeValidator, Field, field_validator

from extauth_http.config.endpoint import NetworkUrl
from extauth_http.config.loader import ConfigError, read_toml, validate, with_environment
from extauth_http.config.section import Section
from extauth_http.config.service_auth import StaticServiceAuth, static_service_auth_of_kind
from extauth_http.config.tls import Tls
from extauth_http.protocol.jid import Jid

EXAMPLE = '[ejabberd]\napi = "http://127.0.0.1:5443/api"'


class EjabberdSettings(Section, arbitrary_types_allowed=True):
    """``api`` is the URL of ``mod_http_api``. ``timeout`` is in seconds, for a whole call.

    ``service_auth`` is an account that ``api_permissions`` allows (``basic``: a JID and its
    password; ``bearer``: an OAuth token of ejabberd). ``room_admin`` is the JID of a person or bot
    that moderates rooms: users are removed in its name from the rooms that it is in.
    """

    api: NetworkUrl
    service_auth: Annotated[
        StaticServiceAuth | None, BeforeValidator(static_service_auth_of_kind)
    ] = None
    tls: Tls = Tls()
    timeout: float = Field(default=35.0, ge=1, le=600)
    room_admin: Jid | None = None

    @field_validator("room_admin", mode="before")
    @classmethod
    def _parse_jid(cls, text: object) -> Jid | None:
        return None if text is None else Jid.parse(str(text))

    def warnings(self) -> list[str]:
        """Settings that are valid and dangerous: one sentence each."""
        if not self.api.is_exposed:
            return []
        return [f"ejabberd.api: credentials are sent to {self.api} in clear text; use https"]


class NoEjabberdTableError(ConfigError):
    """Neither the file nor the environment holds an ``ejabberd`` table."""


class _File(Section, extra="ignore"):
    # Declared as Section: for EjabberdSettings, pydantic-settings reads values of the environment
    # as JSON.
    ejabberd: Annotated[Section, BeforeValidator(EjabberdSettings.model_validate)]


def load_ejabberd(file: Path | None) -> EjabberdSettings:
    """The ``ejabberd`` table of a file and the environment.

    Raises ConfigError, and NoEjabberdTableError if there is none.
    """
    unreadable: ConfigError | None = None
    data: dict[str, Any] = {}
    try:
        data = read_toml(file)
    except ConfigError as error:
        if not isinstance(error.__context__, OSError):
            raise
        unreadable = error
    table = {key: value for key, value in data.items() if key == "ejabberd"}
    table = with_environment(_File, table)
    if "ejabberd" not in table:
        if unreadable:
            raise unreadable
        problem = f"{file}: there is no [ejabberd] table; write\n\n{EXAMPLE}\n"
        raise NoEjabberdTableError([problem])
    try:
        found = validate(_File, file, table).ejabberd
    except ConfigError as error:
        raise unreadable or error from None
    return cast(EjabberdSettings, found)
