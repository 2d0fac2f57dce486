"""The ``backend`` table: the keys that every kind of backend has."""

from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationInfo

from extauth_http.config.endpoint import Endpoint
from extauth_http.config.section import Section
from extauth_http.config.service_auth import ServiceAuth, service_auth_of_kind
from extauth_http.config.tls import Tls


class BackendSettings(Section, arbitrary_types_allowed=True):
    """The keys that each kind has; a kind adds its own in a subclass."""

    kind: str
    service_auth: Annotated[ServiceAuth | None, BeforeValidator(service_auth_of_kind)] = None
    tls: Tls = Tls()
    trust_env: bool = False
    """Whether the proxies that the environment names are used."""
    jid_unescape: bool = False
    """Whether XEP-0106 escapes in the user are undone before the service is asked."""

    def endpoints(self) -> list[Endpoint]:
        """Where this backend sends credentials, for the warnings about plain http."""
        found: list[Endpoint] = []
        for _, value in self:
            if isinstance(value, Endpoint):
                found.append(value)
            elif isinstance(value, BackendSettings):
                found += value.endpoints()
        return found

    def warnings(self) -> list[str]:
        """What is allowed and yet dangerous, in a sentence each that begins with the key."""
        return []


def _of_its_kind(data: Any, info: ValidationInfo) -> Any:
    return info.context(data) if info.context else data


BackendTable = Annotated[BackendSettings | None, BeforeValidator(_of_its_kind)]
"""A setting that is a ``backend`` table of any kind.

Which kinds exist is known to ``backends/registry.py``, which imports this package. The validation
context is therefore the function that turns a table into the settings of its kind.
"""
