"""The ``backend`` table: the keys that every kind of backend has."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ValidationInfo, model_validator

from extauth_http.config.endpoint import Endpoint
from extauth_http.config.section import Section
from extauth_http.config.service_auth import ServiceAuth, service_auth_of_kind
from extauth_http.config.tls import Tls


class BackendSettings(Section, arbitrary_types_allowed=True):
    """The keys of each kind. A kind adds its own keys in a subclass."""

    kind: str
    service_auth: Annotated[ServiceAuth | None, BeforeValidator(service_auth_of_kind)] = None
    tls: Tls = Tls()
    trust_env: bool = False
    """Whether the proxies of the environment (``https_proxy`` and so on) are used."""
    reuse_connections: bool = True
    """Whether connections are kept for later requests."""
    echo: Literal["X-Request-ID"] | None = None
    """The header of a request that the service must return in its response."""
    jid_unescape: bool = False
    """Whether XEP-0106 escapes in the user are decoded before the backend gets the command."""

    @model_validator(mode="after")
    def _check_nothing_is_ignored(self) -> Self:
        endpoints = self.endpoints()
        if self.tls.is_set and endpoints and not any(each.is_encrypted for each in endpoints):
            raise ValueError("tls: no URL of this backend is https, so these keys have no effect")
        for key, value in self:
            if isinstance(value, BackendSettings) and value.jid_unescape:
                raise ValueError(f"{key}.jid_unescape: set it in the table around this one")
        return self

    def endpoints(self) -> list[Endpoint]:
        """The URLs to which this backend sends credentials, those of nested backends included."""
        found: list[Endpoint] = []
        for _, value in self:
            if isinstance(value, Endpoint):
                found.append(value)
            elif isinstance(value, BackendSettings):
                found += value.endpoints()
        return found

    def warnings(self) -> list[str]:
        """Settings that are valid and dangerous: one sentence each, which begins with the key."""
        return [
            f"{key}.{warning}"
            for key, value in self
            if isinstance(value, BackendSettings)
            for warning in value.warnings()
        ]


def _validate_as_kind(data: Any, info: ValidationInfo) -> Any:
    return info.context(data) if info.context else data


BackendTable = Annotated[BackendSettings | None, BeforeValidator(_validate_as_kind)]
"""A setting that is a ``backend`` table of any kind.

``backends/registry.py`` knows the kinds, and it imports this package, not the other way round. The
validation context is therefore the function that turns a table into the settings of its kind.
"""
