"""The endpoints of an OpenID provider (OpenID Connect Discovery 1.0)."""

import time
from collections.abc import Callable
from typing import Protocol
from weakref import ref

from extauth_http.config.endpoint import Endpoint
from extauth_http.http.response import Response
from extauth_http.protocol.verdict import Mismatch, UndecidedError

DISCOVERY_SECONDS = 300.0
"""How long a discovery document is kept if its Cache-Control header does not say it."""

MAX_DISCOVERY_SECONDS = 86_400.0
"""How long a discovery document is kept at most."""


class Getter(Protocol):
    """The HttpClient of one command."""

    def get(self, url: Endpoint, *, service_auth: bool) -> Response: ...


def _no_command() -> None:
    return None


class Discovery:
    """The discovery document of one issuer, which is kept as its headers allow. Nothing else is.
    Safe to use from several threads."""

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer
        # A document, the time until which it is kept, and a weak reference to its reader.
        self._document: tuple[dict[str, object], float, Callable[[], Getter | None]] = (
            {},
            0.0,
            _no_command,
        )

    def endpoint(self, name: str, http: Getter) -> Endpoint:
        """An endpoint by its name in the discovery document.

        Raises UndecidedError (``discovery``).
        """
        found = self._read(http).get(name)
        if not isinstance(found, str):
            raise UndecidedError("discovery", f"the discovery document has no {name}")
        try:
            endpoint = Endpoint.parse(found)
        except ValueError:
            raise UndecidedError("discovery", f"{name} is not a URL") from None
        if not endpoint.is_encrypted and Endpoint.parse(self._issuer).is_encrypted:
            raise UndecidedError("discovery", f"{name} would send credentials in clear text")
        return endpoint

    def has_endpoint(self, name: str, http: Getter) -> bool:
        """Whether the discovery document names such an endpoint. Raises UndecidedError."""
        return isinstance(self._read(http).get(name), str)

    def _read(self, http: Getter) -> dict[str, object]:
        """The discovery document. One that must not be kept is kept for the command itself."""
        document, due, reader = self._document
        if time.monotonic() < due or reader() is http:
            return document
        url = Endpoint.parse(self._issuer).below(".well-known/openid-configuration")
        response = http.get(url, service_auth=False)
        if response.status_code != 200:
            raise UndecidedError("discovery", f"{url}: status {response.status_code}")
        document = response.json_object()
        if document.get("issuer") != self._issuer:
            # Section 4.3: otherwise one provider could name the endpoints of another.
            mismatch = Mismatch("issuer", self._issuer, document.get("issuer"))
            detail = "the discovery document is of another issuer"
            raise UndecidedError("discovery", detail, mismatch)
        lifetime = cache_seconds(response.headers.get("cache-control", ""))
        # One assignment, because several threads use a provider.
        self._document = document, time.monotonic() + lifetime, ref(http)
        return document


def cache_seconds(cache_control: str) -> float:
    """The seconds for which a response may be kept, by its Cache-Control header."""
    for part in cache_control.lower().split(","):
        name, _, value = part.strip().partition("=")
        if name in ("no-store", "no-cache"):
            return 0.0
        if name == "max-age" and value.isdigit():
            return min(float(value), MAX_DISCOVERY_SECONDS)
    return DISCOVERY_SECONDS
