"""An OAuth provider: its endpoints, and how this program authenticates as a client."""

from base64 import b64encode
from pathlib import Path
from typing import Literal, Self
from urllib.parse import quote_plus

from pydantic import SecretStr, model_validator

from extauth_http.backends.token import TokenSettings
from extauth_http.config.endpoint import Endpoint, Url
from extauth_http.config.section import WithSecrets
from extauth_http.http.client import HttpClient
from extauth_http.http.discovery import Discovery
from extauth_http.http.response import Response
from extauth_http.protocol.verdict import UndecidedError


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
        if "client_auth" in self.model_fields_set and self.client_secret is None:
            raise ValueError("expected client_secret beside client_auth")
        return self

    def endpoints(self) -> list[Endpoint]:
        found = super().endpoints()
        return [*found, Endpoint.parse(self.issuer)] if self.issuer else found


class OAuthProvider:
    """The endpoints of one provider. Safe to use from several threads."""

    def __init__(self, settings: OAuthSettings) -> None:
        self._discovery = Discovery(settings.issuer) if settings.issuer else None
        self.has_credentials = settings.client_id is not None or settings.service_auth is not None
        self._form, self._headers = _client_credentials(settings)

    def endpoint(self, name: str, http: HttpClient) -> Endpoint:
        """An endpoint by its name in the discovery document. Raises UndecidedError
        (``discovery``)."""
        if self._discovery is None:
            raise UndecidedError("discovery", f"there is no issuer to find {name}")
        return self._discovery.endpoint(name, http)

    def has_endpoint(self, name: str, http: HttpClient) -> bool:
        """Whether the discovery document names such an endpoint. Raises UndecidedError."""
        return self._discovery is not None and self._discovery.has_endpoint(name, http)

    @property
    def secrets(self) -> list[str]:
        """What is sent of this client, to keep it out of texts that are shown."""
        return [*self._form.values(), *self._headers.values()]

    def post(self, http: HttpClient, endpoint: Endpoint, form: dict[str, str]) -> Response:
        """Sends a form to an endpoint, with the credentials of this client."""
        return http.post(endpoint, data={**form, **self._form}, headers=self._headers)

    def post_as_client(
        self, http: HttpClient, endpoint: Endpoint, form: dict[str, str]
    ) -> Response:
        """The same for a request in which this client is the only one that can be refused.

        Raises UndecidedError (``service_auth_refused``) for status 401, and for status 403 if the
        client has credentials (RFC 7662 section 2.3).
        """
        response = self.post(http, endpoint, form)
        status = response.status_code
        if status == 401 or (status == 403 and self.has_credentials):
            raise client_refused(status)
        return response


def client_refused(status: int) -> UndecidedError:
    """The error for a provider that refuses this program."""
    return UndecidedError(
        "service_auth_refused",
        f"status {status}: the provider refuses this program; check client_id and client_secret",
    )


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
