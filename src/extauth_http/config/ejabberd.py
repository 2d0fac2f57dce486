"""The ``ejabberd`` table: where the admin API is, and who asks it.

The port program reads past this table: a mistake in it, or a secret that only the operator may
read, keeps nobody from logging in.
"""

from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import BeforeValidator, Field, field_validator

from extauth_http.config.endpoint import Url
from extauth_http.config.loader import ConfigError, read_toml, validate, with_environment
from extauth_http.config.section import Section
from extauth_http.config.service_auth import ServiceAuth, service_auth_of_kind
from extauth_http.config.settings import is_loopback
from extauth_http.config.tls import Tls
from extauth_http.protocol.jid import Jid

EXAMPLE = '[ejabberd]\napi = "http://127.0.0.1:5443/api"'


class EjabberdSettings(Section, arbitrary_types_allowed=True):
    """``api`` is where ``mod_http_api`` is served; ``timeout`` is in seconds a call.

    ``service_auth`` is an account that ``api_permissions`` let in (``basic``: a JID and its
    password; ``bearer``: an OAuth token of ejabberd's). ``room_admin`` is the JID of a person or
    bot that moderates rooms: where it is in a room, people are removed in its name.
    """

    api: Url
    service_auth: Annotated[ServiceAuth | None, BeforeValidator(service_auth_of_kind)] = None
    tls: Tls = Tls()
    timeout: float = Field(default=35.0, ge=1, le=600)
    room_admin: Jid | None = None

    @field_validator("room_admin", mode="before")
    @classmethod
    def _a_jid(cls, text: object) -> Jid | None:
        return None if text is None else Jid.parse(str(text))

    def warnings(self) -> list[str]:
        """What is allowed and yet dangerous, in a sentence each."""
        if self.api.is_encrypted or is_loopback(self.api.origin.host):
            return []
        return [f"ejabberd.api: what is sent to {self.api} crosses the network in clear text"]


class NoEjabberdTableError(ConfigError):
    """Neither the file nor the environment holds an ``ejabberd`` table."""


class _File(Section, extra="ignore"):
    # By its base, so that what the environment says is taken as text and not for JSON.
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
