"""The ``backend`` table: the keys that every kind of backend has."""

from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo, model_validator

from extauth_http.config.endpoint import Endpoint, Url
from extauth_http.config.section import Section
from extauth_http.config.service_auth import ClientCredentials, ServiceAuth, service_auth_of_kind
from extauth_http.config.tls import Tls

_REQUEST_KEYS = {
    *("service_auth", "tls", "trust_env", "reuse_connections", "echo", "standby", "breaker_limit"),
}


class BackendSettings(Section, arbitrary_types_allowed=True):
    """The keys of each kind. A kind adds its own keys in a subclass."""

    sends_requests: ClassVar[bool] = True
    """Whether this kind itself sends requests. If not, the keys about requests are an error."""

    kind: str
    service_auth: Annotated[ServiceAuth | None, BeforeValidator(service_auth_of_kind)] = None
    tls: Tls = Tls()
    trust_env: bool = False
    """Whether the proxies of the environment (``https_proxy`` and so on) are used."""
    reuse_connections: bool = True
    """Whether connections are kept for later requests."""
    echo: Literal["X-Request-ID"] | None = None
    """The header of a request that the service must return in its response."""
    standby: tuple[Url, ...] = ()
    """The same service at other URLs, which are tried if nothing answers at ``url``."""
    breaker_limit: int = Field(default=10, ge=0, le=1000)
    """Requests in a row that run into the deadline until others fail at once; 0: never."""
    jid_unescape: bool = False
    """Whether XEP-0106 escapes in the user are decoded before the backend gets the command."""

    @model_validator(mode="after")
    def _add_standby_to_url(self) -> Self:
        if not self.standby:
            return self
        url = getattr(self, "url", None)
        if url is None:
            raise ValueError("standby: expected url beside it")
        if len({str(each) for each in (url, *self.standby)}) <= len(self.standby):
            raise ValueError("standby: expected other URLs than url, each of them once")
        if isinstance(url, Endpoint):
            self.__dict__["url"] = replace(url, standby=self._fixed_standby())
        return self

    def _fixed_standby(self) -> tuple[Endpoint, ...]:
        if not all(isinstance(each, Endpoint) for each in self.standby):
            raise ValueError("standby: expected no placeholder, as in url")
        return self.standby

    @model_validator(mode="after")
    def _check_nothing_is_ignored(self) -> Self:
        if not self.sends_requests:
            for key in sorted(_REQUEST_KEYS & self.model_fields_set):
                raise ValueError(f"{key}: kind {self.kind} sends no request of its own")
        endpoints = self.endpoints()
        if self.tls.is_set and endpoints and not any(each.is_encrypted for each in endpoints):
            raise ValueError("tls: no URL of this backend is https, so these keys have no effect")
        for key, nested in self.nested_tables().items():
            if nested.jid_unescape:
                raise ValueError(f"{key}.jid_unescape: set it in the table around this one")
        return self

    def endpoints(self) -> list[Endpoint]:
        """The URLs to which this backend sends credentials, those of nested backends included."""
        own = [value for _, value in self if isinstance(value, Endpoint)]
        own += [each for each in self.standby if isinstance(each, Endpoint)]
        if isinstance(self.service_auth, ClientCredentials):
            own.append(self.service_auth.endpoint)
        return own + [
            each for nested in self.nested_tables().values() for each in nested.endpoints()
        ]

    def nested_tables(self) -> dict[str, "BackendSettings"]:
        """The backend tables inside this one, by key."""
        return {key: value for key, value in self if isinstance(value, BackendSettings)}

    def warnings(self) -> list[str]:
        """Settings that are valid and dangerous: one sentence each, which begins with the key."""
        return [
            f"{key}.{warning}"
            for key, nested in self.nested_tables().items()
            for warning in nested.warnings()
        ]


def _validate_as_kind(data: Any, info: ValidationInfo) -> Any:
    return info.context(data) if info.context else data


BackendTable = Annotated[BackendSettings | None, BeforeValidator(_validate_as_kind)]
"""A setting that is a ``backend`` table of any kind.

``backends/registry.py`` knows the kinds, and it imports this package, not the other way round. The
validation context is therefore the function that turns a table into the settings of its kind.
"""
