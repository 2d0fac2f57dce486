"""The public keys of one issuer: retrieved at a limited rate, kept over restarts.

A token with an unknown key causes a retrieval, because the issuer may have changed its keys. An
attacker can send such tokens as well, so there is at most one retrieval each FETCH_INTERVAL, and
few requests wait for it.
"""

import asyncio
import time
from collections.abc import Callable

import jwt

from extauth_http.backends.jwk_set import JwkSet, KeysError, parse_jwks
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
        self._keys = JwkSet([])
        self._fetched = 0.0
        self._next_fetch = 0.0
        self._succeeded = 0.0
        """When the last retrieval that succeeded was started (``time.monotonic``)."""
        self._failed = -FAILURE_SECONDS
        self._waiting = 0
        self._task: asyncio.Task[None] | None = None
        if saved:
            self._keys, self._fetched = JwkSet(parse_jwks(saved[0])), saved[1]

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
            self._keys = JwkSet(parse_jwks(text))
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
        return self._keys.matching(key_id, algorithm)
