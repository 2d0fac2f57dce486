"""The public keys of one issuer: retrieved at a limited rate, kept over restarts.

A token with an unknown key causes a retrieval, because the issuer may have changed its keys. An
attacker can send such tokens as well, so there is at most one retrieval each FETCH_INTERVAL, and
few requests wait for it.
"""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import jwt

from extauth_http.signals.rejection import Reason, RejectedError

FETCH_INTERVAL = 1.0
"""Seconds between two retrievals, whatever is received."""

MAX_WAIT = 1.5
"""Seconds that a request waits for keys. A provider that sends logout tokens may wait only 2.5."""

MAX_WAITING = 32
"""Requests that wait for keys at the same time. Others are answered at once."""

FRESH_SECONDS = 300.0
"""Keys older than this are retrieved again before they are used."""

FAILURE_SECONDS = 30.0
"""After a retrieval that failed, requests do not wait for fresh keys for so long."""

SIGNATURE_SECONDS = 60.0
"""If a signature is wrong and the keys are older than this, they are retrieved again: an issuer
may have changed a key without changing its name."""

USABLE_SECONDS = 86_400.0
"""Keys of an issuer that cannot be reached are used for so long."""

MAX_KEYS = 100
"""Keys of one issuer. More are ignored."""

_KEY_TYPES = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
Jwk = dict[str, Any]


class KeysError(Exception):
    """The keys cannot be retrieved, or are not a JWK Set. The text is for the log."""


def parse_jwks(text: str) -> list[Jwk]:
    """The public signature keys of a JWK Set (RFC 7517 section 5). Raises KeysError.

    Symmetric keys and keys for encryption are left out.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise KeysError("the JWK Set is not JSON") from None
    keys = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(keys, list):
        raise KeysError("the JWK Set has no list of keys")
    return [key for key in keys if isinstance(key, dict) and _is_for_signatures(key)][:MAX_KEYS]


def _is_for_signatures(key: Jwk) -> bool:
    return key.get("kty") in ("RSA", "EC", "OKP") and key.get("use", "sig") == "sig"


class IssuerKeys:
    """``fetch`` retrieves the JWK Set as text, and runs in a thread. ``save`` keeps it, with the
    time of the retrieval. ``saved`` is what an earlier process kept."""

    def __init__(
        self,
        fetch: Callable[[], str],
        save: Callable[[str, float], None] = lambda *_: None,
        saved: tuple[str, float] | None = None,
        on_error: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._fetch = fetch
        self._save = save
        self._on_error = on_error
        self._keys: list[Jwk] = []
        self._fetched = 0.0
        self._prepared: dict[tuple[int, str], jwt.PyJWK | None] = {}
        self._next_fetch = 0.0
        self._succeeded = 0.0
        """When the last retrieval that succeeded was started (``time.monotonic``)."""
        self._failed = -FAILURE_SECONDS
        self._waiting = 0
        self._task: asyncio.Task[None] | None = None
        if saved:
            self._keys, self._fetched = parse_jwks(saved[0]), saved[1]

    async def find(self, key_id: str | None, algorithm: str) -> list[jwt.PyJWK]:
        """The keys that can have made a signature.

        Raises RejectedError: ``unknown_key`` if the issuer has no such key now, and
        ``keys_unavailable`` if this could not be found out.
        """
        arrived = time.monotonic()
        if self._age() > FRESH_SECONDS and time.monotonic() > self._failed + FAILURE_SECONDS:
            await self._wait_for_fetch()
        found = self._matching(key_id, algorithm)
        if not found and max(self._succeeded, self._failed) <= arrived:
            await self._wait_for_fetch()
            found = self._matching(key_id, algorithm)
        if found:
            return found
        if self._succeeded > arrived:
            raise RejectedError(Reason.UNKNOWN_KEY, "the issuer has no such key")
        raise RejectedError(Reason.KEYS_UNAVAILABLE, "the keys of the issuer are not available")

    async def find_again(self, key_id: str | None, algorithm: str) -> list[jwt.PyJWK]:
        """The keys after a wrong signature; empty if they are the same ones."""
        before = self._fetched
        if self._age() > SIGNATURE_SECONDS:
            await self._wait_for_fetch()
        return self._matching(key_id, algorithm) if self._fetched != before else []

    async def refresh_if_old(self) -> None:
        """Retrieves the keys before a token needs them. Does not raise if that fails."""
        if self._age() > FRESH_SECONDS * 0.8:
            await asyncio.wait([self._start_fetch()])

    def _age(self) -> float:
        # A clock that was set back must not keep old keys.
        return abs(time.time() - self._fetched)

    async def _wait_for_fetch(self) -> None:
        """Waits for a retrieval that starts, or is in progress. Its result may be a failure."""
        task = self._start_fetch()
        if self._waiting < MAX_WAITING:
            self._waiting += 1
            try:
                await asyncio.wait([task], timeout=MAX_WAIT)
            finally:
                self._waiting -= 1

    def _start_fetch(self) -> asyncio.Task[None]:
        if self._task is None:
            self._task = asyncio.create_task(self._run_fetch())
        return self._task

    async def _run_fetch(self) -> None:
        try:
            await asyncio.sleep(max(0.0, self._next_fetch - time.monotonic()))
            started = time.monotonic()
            self._next_fetch = started + FETCH_INTERVAL
            text = await asyncio.to_thread(self._fetch)
            self._keys = parse_jwks(text)
            self._prepared.clear()
            self._fetched = time.time()
            self._succeeded = started
            await asyncio.to_thread(self._save, text, self._fetched)
        except Exception as error:  # noqa: BLE001 - the next request tries again
            self._failed = time.monotonic()
            self._on_error(str(error) if isinstance(error, KeysError) else type(error).__name__)
        finally:
            self._task = None

    def _matching(self, key_id: str | None, algorithm: str) -> list[jwt.PyJWK]:
        if self._age() > USABLE_SECONDS:
            return []
        found = [
            self._prepare(number, key, algorithm)
            for number, key in enumerate(self._keys)
            if _fits(key, key_id, algorithm)
        ]
        return [key for key in found if key is not None]

    def _prepare(self, number: int, key: Jwk, algorithm: str) -> jwt.PyJWK | None:
        """None for a key that cannot be used, such as one with a wrong number."""
        place = (number, algorithm)
        if place not in self._prepared:
            try:
                self._prepared[place] = jwt.PyJWK(key, algorithm)
            except (jwt.PyJWTError, ValueError, TypeError):
                self._prepared[place] = None
        return self._prepared[place]


def _fits(key: Jwk, key_id: str | None, algorithm: str) -> bool:
    return (
        (key_id is None or key.get("kid") == key_id)
        and key["kty"] == _KEY_TYPES.get(algorithm[:2])
        and key.get("alg", algorithm) == algorithm
        and key.get("crv") == _CURVES.get(algorithm, key.get("crv"))
    )
