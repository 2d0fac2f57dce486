"""Asks an issuer for the name of a user whom a token identifies only by ``sub`` or ``email``."""

import json
import threading
import time
from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, quote_plus

import httpx

from extauth_http.config.endpoint import Endpoint
from extauth_http.http import transport
from extauth_http.http.failure import failure_of
from extauth_http.signals.issuer_settings import ClientCredentialsSettings, IssuerSettings
from extauth_http.signals.subjects import local_part

TIMEOUT = 10.0  # seconds for each request
MAX_RESPONSE = 1 << 20  # bytes
EARLY_SECONDS = 15.0
"""An access token is renewed so long before it expires."""

GONE = (404, 410)


class ResolveError(Exception):
    """There is no usable response. The text is for the log and holds no secrets."""


class Resolver:
    """The lookup of one issuer. Safe to use from several threads. Raises ValueError if a TLS file
    cannot be used."""

    def __init__(self, issuer: IssuerSettings) -> None:
        if issuer.resolve is None:
            raise ValueError(f"{issuer.issuer}: there is no [signals.issuer.resolve]")
        self._issuer = issuer
        self._settings = issuer.resolve
        account = issuer.resolve.service_auth
        self._http = transport.client(
            timeout=TIMEOUT,
            tls=issuer.resolve.tls,
            max_body=MAX_RESPONSE,
            headers=account.headers() if account else [],
        )
        self._lock = threading.Lock()
        self._access_token = ""
        self._expires = 0.0

    def user(self, identifiers: Mapping[str, str]) -> str:
        """The local part of the JID. Raises ResolveError, and OtherUserError if the user is not one
        of this virtual host."""
        url = self._settings.url
        for name in self._settings.placeholders:
            url = url.replace(f"{{{name}}}", quote(identifiers[name], safe=""))
        if _is_dot_segment(identifiers.values()):
            raise ResolveError("the identifier cannot be a part of a URL")
        response = self._get(url)
        if response.status_code in GONE:
            raise ResolveError(f"the issuer does not know the user (status {response.status_code})")
        if response.status_code != httpx.codes.OK:
            raise ResolveError(f"the lookup was answered with status {response.status_code}")
        name = _field(response, self._settings.field)
        return local_part(name, self._issuer)

    def close(self) -> None:
        self._http.close()

    def _get(self, url: str) -> httpx.Response:
        headers = {"Accept": "application/json"}
        credentials = self._settings.client_credentials
        if credentials is None:
            return _send(self._http, "GET", url, headers=headers)
        token = self._token(credentials)
        response = _send(
            self._http, "GET", url, headers={**headers, "Authorization": f"Bearer {token}"}
        )
        if response.status_code == httpx.codes.UNAUTHORIZED:
            self._expires = 0.0
        return response

    def _token(self, credentials: ClientCredentialsSettings) -> str:
        with self._lock:
            if time.monotonic() < self._expires:
                return self._access_token
            secret = credentials.client_secret.get_secret_value()
            pair = f"{quote_plus(credentials.client_id)}:{quote_plus(secret)}"
            form = {"grant_type": "client_credentials"}
            if credentials.scope:
                form["scope"] = credentials.scope
            response = _send(
                self._http,
                "POST",
                str(credentials.token_url),
                headers={"Authorization": f"Basic {b64encode(pair.encode()).decode()}"},
                data=form,
            )
            if response.status_code != httpx.codes.OK:
                raise ResolveError(f"token_url answered with status {response.status_code}")
            self._access_token = _field(response, "access_token")
            self._expires = time.monotonic() + _lifetime(response) - EARLY_SECONDS
            return self._access_token


def _is_dot_segment(values: Any) -> bool:
    return any(value in (".", "..") for value in values)


def _send(http: httpx.Client, method: str, url: str, **more: Any) -> httpx.Response:
    try:
        return http.request(method, url, **more)
    except httpx.HTTPError as error:
        failure = failure_of(error)
        reason = f"{failure.reason}: {failure.detail}" if failure else type(error).__name__
        where = Endpoint.parse(url).origin.host.decode()
        raise ResolveError(f"no usable response from {where} ({reason})") from None


def _object(response: httpx.Response) -> dict[str, Any]:
    try:
        found = json.loads(response.content)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ResolveError("the response is not a JSON object")
    return found


def _field(response: httpx.Response, name: str) -> str:
    value = _object(response).get(name)
    if not isinstance(value, str) or not value:
        raise ResolveError(f"the response has no {name}")
    return value


def _lifetime(response: httpx.Response) -> float:
    """``expires_in`` (RFC 6749 section 5.1), in seconds."""
    value = _object(response).get("expires_in")
    return float(value) if isinstance(value, int | float) and 0 < value < 86_400 else 60.0
