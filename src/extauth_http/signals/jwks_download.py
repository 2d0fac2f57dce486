"""Retrieves the keys of an issuer: its discovery document, then its JWK Set."""

import json
from typing import Any

import httpx

from extauth_http.backends.jwk_set import KeysError
from extauth_http.config.endpoint import Endpoint
from extauth_http.http import transport
from extauth_http.http.failure import failure_of
from extauth_http.signals.issuer_settings import IssuerSettings

TIMEOUT = 5.0  # seconds for each of the two requests
MAX_DOCUMENT = 1 << 20  # bytes
DISCOVERY = (".well-known/openid-configuration", ".well-known/ssf-configuration")
"""OpenID Connect Discovery 1.0 section 4, and the Shared Signals Framework 1.0 section 7.2."""


def download_jwks(settings: IssuerSettings) -> str:
    """The JWK Set of an issuer, as text. Raises KeysError."""
    try:
        with transport.client(timeout=TIMEOUT, tls=settings.tls, max_body=MAX_DOCUMENT) as http:
            return _get(http, str(settings.jwks_url or _discover(http, settings.issuer)))
    except ValueError as error:
        raise KeysError(str(error)) from None


def _discover(http: httpx.Client, issuer: str) -> Endpoint:
    problems: list[KeysError] = []
    for path in DISCOVERY:
        try:
            document = json.loads(_get(http, f"{issuer.rstrip('/')}/{path}"))
            return _jwks_uri(document, issuer)
        except KeysError as error:
            problems.append(error)
        except (ValueError, RecursionError):
            problems.append(KeysError(f"{path} is not JSON"))
    raise problems[0]


def _jwks_uri(document: Any, issuer: str) -> Endpoint:
    if not isinstance(document, dict) or document.get("issuer") != issuer:
        # OpenID Connect Discovery 1.0 section 4.3. Otherwise one issuer could speak for another.
        raise KeysError("the discovery document belongs to another issuer")
    if not isinstance(document.get("jwks_uri"), str):
        raise KeysError("the discovery document has no jwks_uri")
    try:
        found = Endpoint.parse(document["jwks_uri"])
    except ValueError:
        raise KeysError("jwks_uri is not a URL") from None
    if Endpoint.parse(issuer).is_encrypted and not found.is_encrypted:
        raise KeysError("jwks_uri is not encrypted, but the issuer is")
    return found


def _get(http: httpx.Client, url: str) -> str:
    try:
        response = http.get(url, headers={"Accept": "application/json"})
    except httpx.HTTPError as error:
        failure = failure_of(error)
        reason = f"{failure.reason}: {failure.detail}" if failure else type(error).__name__
        raise KeysError(f"no usable response from {Endpoint.parse(url)} ({reason})") from None
    if response.status_code != httpx.codes.OK:
        raise KeysError(f"{Endpoint.parse(url)} answered with status {response.status_code}")
    return response.text
