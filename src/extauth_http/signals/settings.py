"""The ``signals`` table: the listener, the queue, and the senders of events.

The external authentication program ignores this table, as it ignores ``ejabberd``.
"""

from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self, cast

from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from extauth_http.admin.sweep import DEFAULT_AT_MOST, DEFAULT_PER_SECOND
from extauth_http.config.ejabberd import EjabberdSettings, load_ejabberd
from extauth_http.config.endpoint import is_loopback
from extauth_http.config.loader import ConfigError, read_toml, validate, with_environment
from extauth_http.config.section import Section, WithSecrets
from extauth_http.config.settings import LogSettings
from extauth_http.signals.issuer_settings import IssuerSettings, Seconds

DEFAULT_QUEUE = Path("/var/lib/extauth-http/signals.db")
MIN_TOKEN = 16
"""Characters of the bearer token of the webhook."""

MAX_GRACE = 3600.0  # seconds


class ListenAddress(NamedTuple):
    """Where the HTTP listener binds."""

    host: str
    port: int


def _listen_address(value: Any) -> Any:
    if isinstance(value, ListenAddress):
        return value
    host, _, port = str(value).rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError("expected HOST:PORT, such as 127.0.0.1:9110")
    return ListenAddress(host.removeprefix("[").removesuffix("]"), int(port))


class WebhookSettings(WithSecrets):
    """``POST /revoke``: callers present this bearer token."""

    secrets = ("token",)

    token: SecretStr
    token_file: Path | None = None

    @field_validator("token")
    @classmethod
    def _check_length(cls, token: SecretStr) -> SecretStr:
        if len(token.get_secret_value()) < MIN_TOKEN:
            raise ValueError(f"expected a token of at least {MIN_TOKEN} characters")
        return token


class SweepSettings(Section):
    """A regular ``user sweep``, for services that cannot send anything.

    - ``every``: seconds between the end of a sweep and the start of the next.
    - ``at_most``, ``per_second``: as the options of ``user sweep``.
    - ``hosts``: the virtual hosts whose users are asked about; all if empty.
    """

    every: Seconds = Field(ge=1, le=604_800)
    at_most: int = Field(default=DEFAULT_AT_MOST, ge=0)
    per_second: float = Field(default=DEFAULT_PER_SECOND, ge=0.1, le=10_000)
    hosts: list[str] = Field(default_factory=list)


class SignalsSettings(Section):
    """The whole ``signals`` table.

    - ``notify``: a message to each session before it ends; ``grace``: the time between.
    - ``keep_caches``, ``no_fast``: as the options of ``user revoke``.
    - ``parallel``: users whose sessions are ended at the same time.
    - ``call_timeout``: for one call of the admin API.
    - ``give_up``: how long after its reception an event is tried.
    - ``history``: how long a finished event is shown by ``signals status``.
    """

    listen: Annotated[ListenAddress, BeforeValidator(_listen_address)] = ListenAddress(
        "127.0.0.1", 9110
    )
    queue: Path = DEFAULT_QUEUE
    notify: str = ""
    grace: Seconds = Field(default=0.0, ge=0, le=MAX_GRACE)
    keep_caches: bool = False
    no_fast: bool = False
    parallel: int = Field(default=8, ge=1, le=64)
    call_timeout: Seconds = Field(default=10.0, ge=1, le=600)
    give_up: Seconds = Field(default=86_400.0, ge=1, le=2_592_000)
    history: Seconds = Field(default=86_400.0, ge=0, le=2_592_000)
    log: LogSettings = LogSettings()
    webhook: WebhookSettings | None = None
    issuer: list[IssuerSettings] = Field(default_factory=list)
    sweep: SweepSettings | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.issuer and not self.webhook and not self.sweep:
            raise ValueError(
                "expected [signals.webhook], [[signals.issuer]] or [signals.sweep]: nobody sends "
                "events"
            )
        names = [each.issuer for each in self.issuer]
        if len(set(names)) != len(names):
            raise ValueError("issuer: two of them have the same issuer")
        return self

    def warnings(self) -> list[str]:
        """Settings that are valid and dangerous: one sentence each."""
        found = [
            f"signals.issuer: {endpoint} can be changed on the way; use https"
            for issuer in self.issuer
            for endpoint in issuer.endpoints()
            if endpoint.is_exposed
        ]
        if not is_loopback(self.listen.host.encode()):
            found.append(
                f"signals.listen: {self.listen.host} can be reached from outside, without TLS; use "
                "127.0.0.1 and a reverse proxy"
            )
        return found


class NoSignalsTableError(ConfigError):
    """Neither the file nor the environment holds a ``signals`` table."""


EXAMPLE = """\
[signals]
queue = "/var/lib/extauth-http/signals.db"

[signals.webhook]
token_file = "/etc/extauth-http/webhook.token"
"""


class _File(Section, extra="ignore"):
    # Declared as Section, as in config/ejabberd.py.
    signals: Annotated[Section, BeforeValidator(SignalsSettings.model_validate)]


def load_signals(file: Path | None) -> tuple[SignalsSettings, EjabberdSettings]:
    """The ``signals`` and ``ejabberd`` tables of a file and the environment.

    Raises ConfigError, and NoSignalsTableError if there is no ``signals`` table.
    """
    table = {key: value for key, value in read_toml(file).items() if key == "signals"}
    table = with_environment(_File, table)
    if "signals" not in table:
        problem = f"{file}: there is no [signals] table; write\n\n{EXAMPLE}"
        raise NoSignalsTableError([problem])
    settings = cast(SignalsSettings, validate(_File, file, table).signals)
    ejabberd = load_ejabberd(file)
    timeout = min(ejabberd.timeout, settings.call_timeout)
    return settings, ejabberd.model_copy(update={"timeout": timeout})
