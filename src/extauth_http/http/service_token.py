"""The access token of this program itself (client credentials, RFC 6749 section 4.4).

It is kept until shortly before it expires. It says nothing about a user.
"""

import time
from base64 import b64encode
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import quote_plus

from extauth_http.config.endpoint import Endpoint
from extauth_http.config.service_auth import ClientCredentials
from extauth_http.http.discovery import Discovery, Getter
from extauth_http.http.response import Response
from extauth_http.http.shared_request import SharedRequest
from extauth_http.protocol.verdict import UndecidedError

DEFAULT_SECONDS = 60.0
"""The lifetime of a token without ``expires_in``."""

EARLY_SECONDS = 30.0
"""How long before its end a token is replaced; half of its lifetime if it is shorter."""

MIN_AGE = 10.0
"""Seconds after which a token that the service refuses is replaced. A new one would be refused,
too, and an attacker could cause a request for a token with each login."""


class Sender(Getter, Protocol):
    """The HttpClient of one command. ``due`` is its deadline, a time of ``time.monotonic()``."""

    due: float

    def post(
        self,
        url: Endpoint,
        *,
        data: Mapping[str, str],
        headers: Mapping[str, str],
        service_auth: bool,
    ) -> Response: ...


class ServiceToken:
    """One access token. Several threads share it; one of them requests it, the others wait."""

    def __init__(self, settings: ClientCredentials) -> None:
        self._settings = settings
        self._discovery = Discovery(settings.issuer) if settings.issuer else None
        self._token = ""
        self._requested = 0.0
        self._replace_at = 0.0
        self._failure = "it could not be requested"
        self._shared = SharedRequest()

    def get(self, http: Sender) -> str:
        """The token. ``http`` is that of a command, whose deadline counts.

        Raises UndecidedError (``service_token``).
        """
        if time.monotonic() < self._replace_at:
            return self._token
        try:
            is_ours = self._shared.run(lambda: self._request(http), http.due)
        except TimeoutError:
            raise _error("no time was left while another login requested it") from None
        except UndecidedError as error:
            self._failure = f"{error.reason}: {error.detail}"
            raise _error(self._failure) from None
        if is_ours or time.monotonic() < self._replace_at:
            return self._token
        raise _error(self._failure)

    def refused(self, token: str) -> bool:
        """Forgets a token that the service refused. Returns whether another one can be requested
        now."""
        if token != self._token or time.monotonic() < self._requested + MIN_AGE:
            return False
        self._replace_at = 0.0
        return True

    def _request(self, http: Sender) -> None:
        settings = self._settings
        url = settings.token_url
        if url is None:
            assert self._discovery is not None  # noqa: S101 - token_url or issuer is set
            url = self._discovery.endpoint("token_endpoint", http)
        form = {"grant_type": "client_credentials"}
        form |= {"scope": settings.scope} if settings.scope else {}
        form |= {"audience": settings.audience} if settings.audience else {}
        client_id, secret = settings.client_id, settings.client_secret.get_secret_value()
        headers = {}
        if settings.client_auth == "client_secret_post":
            form |= {"client_id": client_id, "client_secret": secret}
        else:
            pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
            headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        started = time.monotonic()
        response = http.post(url, data=form, headers=headers, service_auth=False)
        if response.status_code != 200:
            raise UndecidedError(f"http_{response.status_code}", "the token endpoint refused it")
        self._token, seconds = _parse(response)
        self._requested = started
        self._replace_at = started + max(seconds - EARLY_SECONDS, seconds / 2)


def _parse(response: Response) -> tuple[str, float]:
    """The token and its lifetime in seconds. Raises UndecidedError."""
    found = response.json_object()
    token, kind = found.get("access_token"), found.get("token_type", "Bearer")
    if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
        raise UndecidedError("not_an_answer", "the response has no access_token")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise UndecidedError("not_an_answer", "the access token is not a bearer token")
    seconds = found.get("expires_in")
    if isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 < seconds < 1e9:
        return token, float(seconds)
    return token, DEFAULT_SECONDS


def _error(detail: str) -> UndecidedError:
    return UndecidedError("service_token", f"the access token of this program: {detail}")
