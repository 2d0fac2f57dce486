"""Where an OAuth provider's endpoints are, and who this program is to them."""

import time
from base64 import b64encode
from pathlib import Path
from typing import Literal, Self
from urllib.parse import quote_plus

from pydantic import SecretStr, model_validator

from extauth_http.backends.token import TokenSettings, claims_of
from extauth_http.config.endpoint import Endpoint, Url
from extauth_http.config.section import WithSecrets
from extauth_http.http.client import HttpClient
from extauth_http.http.response import Response
from extauth_http.protocol.verdict import UndecidedError

DOCUMENT_SECONDS = 300.0
"""How long a discovery document is believed where its answer does not say."""

LONGEST_SECONDS = 86_400.0


class OAuthSettings(TokenSettings, WithSecrets):
    """Endpoints one by one (``url`` and the like), or from ``issuer`` by discovery; the client's
    own name and secret (RFC 6749 section 2.3.1)."""

    secrets = ("client_secret",)

    url: Url | None = None
    client_id: str | None = None
    client_secret: SecretStr | None = None
    client_secret_file: Path | None = None
    client_auth: Literal["client_secret_basic", "client_secret_post"] = "client_secret_basic"

    @model_validator(mode="after")
    def _has_an_endpoint(self) -> Self:
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


class Provider:
    """The endpoints of one provider. Its discovery document is kept for its lifetime; nothing that
    was said about a credential is."""

    def __init__(self, settings: OAuthSettings) -> None:
        self._issuer = settings.issuer
        self._document: dict[str, object] = {}
        self._until = 0.0
        self.is_named = settings.client_id is not None or settings.service_auth is not None
        self._form: dict[str, str] = {}
        self._headers: list[tuple[str, str]] = []
        if settings.client_id is not None:
            self._name(settings, settings.client_id)

    def _name(self, settings: OAuthSettings, client_id: str) -> None:
        secret = settings.client_secret.get_secret_value() if settings.client_secret else ""
        if settings.client_secret is None:
            self._form = {"client_id": client_id}
        elif settings.client_auth == "client_secret_post":
            self._form = {"client_id": client_id, "client_secret": secret}
        else:
            pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
            self._headers = [("Authorization", f"Basic {b64encode(pair.encode()).decode()}")]

    def post(self, http: HttpClient, endpoint: Endpoint, form: dict[str, str]) -> Response:
        """A form to an endpoint, by this client. 401 is about the client, not about the user:
        Undecided (``service_auth_refused``), unless it says that it is the grant. RFC 6749 section
        5.2 has 400 for that; Keycloak answers 401."""
        answer = http.post(endpoint, data={**form, **self._form}, headers=self._headers)
        is_refused = answer.status_code == 401 and not _blames_grant(answer)
        if is_refused or (answer.status_code == 403 and self.is_named):
            raise UndecidedError(
                "service_auth_refused",
                f"status {answer.status_code}: the provider refuses this program; "
                "check client_id and client_secret",
            )
        return answer

    def endpoint(self, name: str, http: HttpClient) -> Endpoint:
        """An endpoint by its name in the discovery document (OpenID Connect Discovery 1.0).
        Raises Undecided (``discovery``)."""
        found = self._found(http).get(name)
        if not isinstance(found, str):
            raise UndecidedError("discovery", f"the provider's document has no {name}")
        try:
            endpoint = Endpoint.parse(found)
        except ValueError:
            raise UndecidedError("discovery", f"{name} is no URL") from None
        if not endpoint.is_encrypted and Endpoint.parse(self._issuer or "").is_encrypted:
            raise UndecidedError("discovery", f"{name} would send credentials in clear text")
        return endpoint

    def has(self, name: str, http: HttpClient) -> bool:
        """Whether the document names such an endpoint."""
        return self._issuer is not None and isinstance(self._found(http).get(name), str)

    def _found(self, http: HttpClient) -> dict[str, object]:
        if time.monotonic() < self._until:
            return self._document
        issuer = self._issuer or ""
        where = Endpoint.parse(issuer).below(".well-known/openid-configuration")
        answer = http.get(where, service_auth=False)
        if answer.status_code != 200:
            raise UndecidedError("discovery", f"{where}: status {answer.status_code}")
        document = claims_of(answer.json())
        if document.get("issuer") != issuer:
            # Section 4.3: else one provider could speak for another.
            raise UndecidedError("discovery", "the document is not of this issuer")
        self._document = document
        self._until = time.monotonic() + _lifetime(answer.headers.get("cache-control", ""))
        return document


def _blames_grant(answer: Response) -> bool:
    try:
        return claims_of(answer.json()).get("error") == "invalid_grant"
    except UndecidedError:
        return False


def _lifetime(cache_control: str) -> float:
    for part in cache_control.lower().split(","):
        name, _, value = part.strip().partition("=")
        if name in ("no-store", "no-cache"):
            return 0.0
        if name == "max-age" and value.isdigit():
            return min(float(value), LONGEST_SECONDS)
    return DOCUMENT_SECONDS
