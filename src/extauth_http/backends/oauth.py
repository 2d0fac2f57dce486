"""An OAuth provider: its endpoints, and how this program authenticates as a client."""

import time
from base64 import b64encode
from pathlib import Path
from typing import Literal, Self
from urllib.parse import quote_plus

from pydantic import SecretStr, model_validator

from extauth_http.backends.token import TokenSettings
from extauth_http.config.endpoint import Endpoint, Url
from extauth_http.config.section import WithSecrets
from extauth_http.http.client import HttpClient
from extauth_http.http.response import Response
from extauth_http.protocol.verdict import UndecidedError

DISCOVERY_SECONDS = 300.0
"""How long a discovery document is kept if its Cache-Control header does not say it."""

MAX_DISCOVERY_SECONDS = 86_400.0
"""How long a discovery document is kept at most."""


class OAuthSettings(TokenSettings, WithSecrets):
    """The endpoint is ``url``, or is found by discovery at ``issuer``. The credentials of this
    program as a client are ``client_id`` and ``client_secret`` (RFC 6749 section 2.3.1)."""

    secrets = ("client_secret",)

    url: Url | None = None
    client_id: str | None = None
    client_secret: SecretStr | None = None
    client_secret_file: Path | None = None
    client_auth: Literal["client_secret_basic", "client_secret_post"] = "client_secret_basic"

    @model_validator(mode="after")
    def _check_endpoint_and_client(self) -> Self:
        if self.url is None and self.issuer is None:
            raise ValueError("expected url, the endpoint, or issuer, to find it by discovery")
        if self.issuer is not None:
            Endpoint.parse(self.issuer)
        if self.client_secret is not None and self.client_id is None:
            raise ValueError("expected client_id beside client_secret")
        if self.client_id is not None and self.service_auth is not None:
            raise ValueError("expected client_id or service_auth, not both")
        return self

    def endpoints(self) -> list[Endpoint]:
        found = super().endpoints()
        return [*found, Endpoint.parse(self.issuer)] if self.issuer else found


class OAuthProvider:
    """The endpoints of one provider. It keeps the discovery document, and no response about a
    credential. Safe to use from several threads."""

    def __init__(self, settings: OAuthSettings) -> None:
        self._issuer = settings.issuer
        self._document: dict[str, object] = {}
        self._document_due = 0.0
        self._has_credentials = settings.client_id is not None or settings.service_auth is not None
        self._form, self._headers = _client_credentials(settings)

    def post(self, http: HttpClient, endpoint: Endpoint, form: dict[str, str]) -> Response:
        """Sends a form to an endpoint, with the credentials of this client.

        Raises UndecidedError (``service_auth_refused``) if the provider refuses the client: status
        401, or 403 if the client has credentials. A 401 with ``invalid_grant`` is about the user:
        RFC 6749 section 5.2 has 400 for it, and Keycloak sends 401.
        """
        response = http.post(endpoint, data={**form, **self._form}, headers=self._headers)
        is_refused = response.status_code == 401 and not _is_invalid_grant(response)
        if is_refused or (response.status_code == 403 and self._has_credentials):
            raise UndecidedError(
                "service_auth_refused",
                f"status {response.status_code}: the provider refuses this program; check "
                "client_id and client_secret",
            )
        return response

    def endpoint(self, name: str, http: HttpClient) -> Endpoint:
        """An endpoint by its name in the discovery document (OpenID Connect Discovery 1.0).

        Raises UndecidedError (``discovery``).
        """
        found = self._discover(http).get(name)
        if not isinstance(found, str):
            raise UndecidedError("discovery", f"the discovery document has no {name}")
        try:
            endpoint = Endpoint.parse(found)
        except ValueError:
            raise UndecidedError("discovery", f"{name} is not a URL") from None
        if not endpoint.is_encrypted and Endpoint.parse(self._issuer or "").is_encrypted:
            raise UndecidedError("discovery", f"{name} would send credentials in clear text")
        return endpoint

    def has_endpoint(self, name: str, http: HttpClient) -> bool:
        """Whether the discovery document names such an endpoint. Raises UndecidedError."""
        return self._issuer is not None and isinstance(self._discover(http).get(name), str)

    def _discover(self, http: HttpClient) -> dict[str, object]:
        if time.monotonic() < self._document_due:
            return self._document
        issuer = self._issuer or ""
        url = Endpoint.parse(issuer).below(".well-known/openid-configuration")
        response = http.get(url, service_auth=False)
        if response.status_code != 200:
            raise UndecidedError("discovery", f"{url}: status {response.status_code}")
        document = response.json_object()
        if document.get("issuer") != issuer:
            # Section 4.3: otherwise one provider could name the endpoints of another.
            raise UndecidedError("discovery", "the discovery document is of another issuer")
        lifetime = _lifetime(response.headers.get("cache-control", ""))
        self._document = document
        self._document_due = time.monotonic() + lifetime
        return document


def _client_credentials(settings: OAuthSettings) -> tuple[dict[str, str], dict[str, str]]:
    """The fields of the form and the headers by which the client authenticates."""
    client_id = settings.client_id
    if client_id is None:
        return {}, {}
    if settings.client_secret is None:
        return {"client_id": client_id}, {}
    secret = settings.client_secret.get_secret_value()
    if settings.client_auth == "client_secret_post":
        return {"client_id": client_id, "client_secret": secret}, {}
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return {}, {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}


def _is_invalid_grant(response: Response) -> bool:
    try:
        return response.json_object().get("error") == "invalid_grant"
    except UndecidedError:
        return False


def _lifetime(cache_control: str) -> float:
    """The seconds for which a response may be kept, by its Cache-Control header."""
    for part in cache_control.lower().split(","):
        name, _, value = part.strip().partition("=")
        if name in ("no-store", "no-cache"):
            return 0.0
        if name == "max-age" and value.isdigit():
            return min(float(value), MAX_DISCOVERY_SECONDS)
    return DISCOVERY_SECONDS
