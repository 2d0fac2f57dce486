"""The keys of the issuer of a kind ``jwt``: kept as long as the issuer allows."""

import time

import jwt

from extauth_http.backends.jwk_set import JwkSet, KeysError, parse_jwks
from extauth_http.config.endpoint import Endpoint
from extauth_http.http.client import HttpClient
from extauth_http.http.discovery import Discovery, cache_seconds
from extauth_http.http.shared_request import SharedRequest
from extauth_http.protocol.verdict import Answer, UndecidedError, Verdict

MIN_SECONDS = 60.0
"""Keys are kept for so long, whatever the issuer says: each login would request them otherwise."""

FETCH_INTERVAL = 5.0
"""Seconds between two requests for keys because of a token with an unknown key. An attacker can
send such tokens, too."""

FAILURE_SECONDS = 1.0
"""For so long after a request for keys that failed, there is no other one."""

MAX_TRIED = 10
"""Keys that are tried for a token without ``kid``."""

UNKNOWN_KEY = Answer(Verdict.DENY, "unknown_key", "the issuer has no such key")


class IssuerJwks:
    """The keys of one issuer. Several threads share them; one of them requests them."""

    def __init__(self, issuer: str, jwks_url: Endpoint | None) -> None:
        self._url = jwks_url
        self._discovery = Discovery(issuer)
        self._keys = JwkSet([])
        self._requested = float("-inf")
        """When the last request that succeeded was sent (``time.monotonic``)."""
        self._fresh_until = float("-inf")
        self._failed = float("-inf")
        self._failure = "they could not be requested"
        self._shared = SharedRequest()

    def find(self, key_id: str | None, algorithm: str, http: HttpClient) -> list[jwt.PyJWK]:
        """The keys that can have made a signature; empty if the issuer has none.

        Raises UndecidedError (``keys_unavailable``) if this cannot be found out now.
        """
        arrived = time.monotonic()
        if arrived >= self._fresh_until:
            self._request(http)
        found = self._keys.matching(key_id, algorithm)[:MAX_TRIED]
        if found or self._requested >= arrived:
            return found
        return self.find_again(key_id, algorithm, http)

    def find_again(self, key_id: str | None, algorithm: str, http: HttpClient) -> list[jwt.PyJWK]:
        """The same with keys that are requested now: the issuer may have changed them.

        Raises UndecidedError (``keys_unavailable``) if they were requested a moment ago.
        """
        if time.monotonic() < self._requested + FETCH_INTERVAL:
            raise _unavailable("the key of the token is unknown, and the keys are only just new")
        self._request(http)
        return self._keys.matching(key_id, algorithm)[:MAX_TRIED]

    @property
    def age(self) -> float:
        """Seconds since the keys were requested."""
        return time.monotonic() - self._requested

    def _request(self, http: HttpClient) -> None:
        if time.monotonic() < self._failed + FAILURE_SECONDS:
            raise _unavailable(self._failure)
        before = self._requested
        try:
            is_ours = self._shared.run(lambda: self._fetch(http), http.due)
        except TimeoutError:
            raise _unavailable("no time was left while another login requested them") from None
        except UndecidedError as error:
            raise self._failed_with(f"{error.reason}: {error.detail}") from None
        except KeysError as error:
            raise self._failed_with(str(error)) from None
        if not is_ours and self._requested == before:
            raise _unavailable(self._failure)

    def _failed_with(self, detail: str) -> UndecidedError:
        self._failure, self._failed = detail, time.monotonic()
        return _unavailable(detail)

    def _fetch(self, http: HttpClient) -> None:
        started = time.monotonic()
        url = self._url or self._discovery.endpoint("jwks_uri", http)
        response = http.get(url, service_auth=False)
        if response.status_code != 200:
            raise KeysError(f"{url}: status {response.status_code}")
        self._keys = JwkSet(parse_jwks(response.text))
        lifetime = cache_seconds(response.headers.get("cache-control", ""))
        self._fresh_until = started + max(MIN_SECONDS, lifetime)
        self._requested = started


def _unavailable(detail: str) -> UndecidedError:
    return UndecidedError("keys_unavailable", f"the keys of the issuer: {detail}")
