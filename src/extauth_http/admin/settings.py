"""The ``ejabberd`` table: where the admin API is, and who asks it.

The port program reads past this table: a mistake in it, or a secret that only the operator may
read, keeps nobody from logging in.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import BeforeValidator, Field, ValidationError, field_validator
from pydantic_settings import SettingsError

from extauth_http.backends import Url
from extauth_http.jid import Jid
from extauth_http.service_auth import Section, ServiceAuth, service_auth_of_kind
from extauth_http.settings import PREFIX, BadSettings, FileAndEnvironment, is_loopback, sentences
from extauth_http.tls import Tls

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


class _File(FileAndEnvironment, extra="ignore"):
    # By its base, so that what the environment says is taken as text and not for JSON.
    ejabberd: Annotated[Section, BeforeValidator(EjabberdSettings.model_validate)]


def load(file: Path | None) -> EjabberdSettings:
    """The ``ejabberd`` table of a file and the environment. Raises BadSettings."""
    data: dict[str, Any] = {}
    problem = ""
    try:
        if file is not None:
            data = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        problem = f"{file}: cannot be read: {error.strerror}"
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSettings([f"{file}: not TOML: {error}"]) from None
    try:
        found = _File(**{"ejabberd": data["ejabberd"]} if "ejabberd" in data else {}).ejabberd
        return cast(EjabberdSettings, found)
    except SettingsError:
        raise BadSettings([f"environment variable {PREFIX}EJABBERD: expected JSON"]) from None
    except ValidationError as error:
        if problem:
            raise BadSettings([problem]) from None
        if "ejabberd" not in data and all(len(each["loc"]) == 1 for each in error.errors()):
            missing = f"{file}: there is no [ejabberd] table; write\n\n{EXAMPLE}\n"
            raise BadSettings([missing]) from None
        raise BadSettings(sentences(file, error)) from None
