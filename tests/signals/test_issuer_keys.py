"""The keys of an issuer: retrieved in time, at a limited rate, and kept while it is down."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from extauth_http.backends.jwk_set import KeysError, parse_jwks
from extauth_http.signals import issuer_keys
from extauth_http.signals.issuer_keys import IssuerKeys
from extauth_http.signals.rejection import Reason, RejectedError
from tests.signals.tokens import SigningKey, ec_key, jwks, rsa_key

OLD, NEW = rsa_key("old"), rsa_key("new")


class Provider:
    """Publishes keys and counts the retrievals."""

    def __init__(self, *keys: SigningKey) -> None:
        self.keys = keys
        self.is_down = False
        self.seconds = 0.0
        self.count = 0

    def __call__(self) -> str:
        self.count += 1
        time.sleep(self.seconds)
        if self.is_down:
            raise KeysError("connect_refused")
        return jwks(*self.keys)


async def reason(found: Awaitable[object]) -> Reason | None:
    try:
        await found
    except RejectedError as error:
        return error.reason
    return None


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(test())  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _short_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuer_keys, "FETCH_INTERVAL", 0.1)
    monkeypatch.setattr(issuer_keys, "MAX_WAIT", 0.5)


def test_a_key_that_was_published_after_the_last_retrieval_is_found() -> None:
    async def rotation() -> None:
        provider = Provider(OLD)
        keys = IssuerKeys(provider)
        assert len(await keys.find("old", "RS256")) == 1
        provider.keys = (OLD, NEW)
        assert len(await keys.find("new", "RS256")) == 1
        assert provider.count == 2

    run(rotation)


def test_a_key_that_is_no_longer_published_is_not_used_after_the_next_retrieval() -> None:
    async def rotation() -> None:
        provider = Provider(OLD)
        keys = IssuerKeys(provider)
        await keys.find("old", "RS256")
        provider.keys = (NEW,)
        await keys.find("new", "RS256")
        assert await reason(keys.find("old", "RS256")) is Reason.UNKNOWN_KEY

    run(rotation)


def test_unknown_keys_cause_few_retrievals_and_a_genuine_rotation_among_them_is_seen() -> None:
    async def flood() -> None:
        start = time.monotonic()
        provider = Provider(OLD)
        keys = IssuerKeys(provider)
        await keys.find("old", "RS256")
        forged = [asyncio.create_task(reason(keys.find(f"k{n}", "RS256"))) for n in range(2000)]
        await asyncio.sleep(0)
        # Known keys need no retrieval.
        assert len(await keys.find("old", "RS256")) == 1
        reasons = await asyncio.gather(*forged)
        assert set(reasons) <= {Reason.UNKNOWN_KEY, Reason.KEYS_UNAVAILABLE}
        provider.keys = (OLD, NEW)
        assert len(await keys.find("new", "RS256")) == 1
        intervals = (time.monotonic() - start) / issuer_keys.FETCH_INTERVAL
        assert 3 <= provider.count <= 1 + intervals

    run(flood)


def test_few_requests_wait_for_a_slow_provider() -> None:
    async def flood() -> None:
        provider = Provider(OLD)
        provider.seconds = 0.3
        keys = IssuerKeys(provider)
        tasks = [asyncio.create_task(reason(keys.find(f"k{n}", "RS256"))) for n in range(500)]
        await asyncio.sleep(0.1)
        assert sum(not task.done() for task in tasks) <= issuer_keys.MAX_WAITING
        assert set(await asyncio.gather(*tasks)) == {Reason.KEYS_UNAVAILABLE, Reason.UNKNOWN_KEY}

    run(flood)


def test_without_any_keys_the_sender_is_asked_to_repeat() -> None:
    async def down() -> None:
        provider = Provider(OLD)
        provider.is_down = True
        errors: list[str] = []
        keys = IssuerKeys(provider, on_error=errors.append)
        assert await reason(keys.find("old", "RS256")) is Reason.KEYS_UNAVAILABLE
        assert errors == ["connect_refused"]
        provider.is_down = False
        assert len(await keys.find("old", "RS256")) == 1

    run(down)


def test_known_keys_are_used_while_the_provider_is_down_and_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def down() -> None:
        provider = Provider(OLD)
        provider.is_down = True
        hours = 3600.0
        recent = IssuerKeys(provider, saved=(jwks(OLD), time.time() - 10 * hours))
        assert len(await recent.find("old", "RS256")) == 1
        assert await reason(recent.find("new", "RS256")) is Reason.KEYS_UNAVAILABLE
        too_old = IssuerKeys(provider, saved=(jwks(OLD), time.time() - 30 * hours))
        assert await reason(too_old.find("old", "RS256")) is Reason.KEYS_UNAVAILABLE

    run(down)


def test_old_keys_are_retrieved_again_before_they_are_used() -> None:
    async def stale() -> None:
        provider = Provider(NEW)
        keys = IssuerKeys(provider, saved=(jwks(OLD), time.time() - 400))
        assert await reason(keys.find("old", "RS256")) is Reason.UNKNOWN_KEY
        assert provider.count >= 1

    run(stale)


def test_retrieved_keys_are_kept_for_the_next_start() -> None:
    async def start() -> None:
        saved: list[tuple[str, float]] = []
        keys = IssuerKeys(Provider(OLD), save=lambda text, at: saved.append((text, at)))
        await keys.refresh_if_old()
        assert saved[0][0] == jwks(OLD)
        assert len(await keys.find("old", "RS256")) == 1

    run(start)


def test_a_changed_key_with_the_same_name_is_found_after_a_wrong_signature() -> None:
    async def rotation() -> None:
        provider = Provider(OLD)
        keys = IssuerKeys(provider, saved=(jwks(OLD), time.time() - 90))
        changed = SigningKey("RS256", "old", NEW.private)
        provider.keys = (changed,)
        assert len(await keys.find_again("old", "RS256")) == 1
        # Now they are recent: a forged signature causes no retrieval.
        assert await keys.find_again("old", "RS256") == []
        assert provider.count == 1

    run(rotation)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"keys": {}}', "[" * 100_000, "null", '{"keys": null}']
)
def test_what_is_not_a_jwk_set_is_an_error(text: str) -> None:
    with pytest.raises(KeysError):
        parse_jwks(text)


@pytest.mark.parametrize(
    ("key", "is_used"),
    [
        ({}, True),
        ({"alg": "RS256"}, True),
        ({"alg": "RS512"}, False),
        ({"use": "enc"}, False),
        ({"kty": "oct"}, False),
        ({"kty": "EC"}, False),
        ({"n": "!!"}, False),
        ({"n": None}, False),
    ],
)
def test_a_key_is_used_only_for_its_purpose(key: dict[str, str], is_used: bool) -> None:
    import json

    async def purpose() -> None:
        keys = IssuerKeys(lambda: json.dumps({"keys": [{**OLD.jwk, **key}, "x", {}]}))
        expected = None if is_used else Reason.UNKNOWN_KEY
        assert await reason(keys.find("old", "RS256")) is expected

    run(purpose)


def test_a_token_without_kid_is_tried_with_each_key_that_fits() -> None:
    async def several() -> None:
        keys = IssuerKeys(Provider(OLD, NEW, ec_key()))
        assert len(await keys.find(None, "RS256")) == 2
        assert len(await keys.find(None, "ES256")) == 1
        assert await reason(keys.find(None, "ES384")) is Reason.UNKNOWN_KEY

    run(several)
