"""Logout tokens of a real provider, oidc-provider 9, with each of its signature algorithms."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.admin.fake_ejabberd import FakeEjabberd
from tests.servers.oidc_provider import NoProviderError, OidcProvider, oidc_provider
from tests.signals.running_service import SignalsService

SECRET = "the-client-secret-of-at-least-32-bytes"
ALICE, BOB = "alice@example.org", "bob@example.org"


@pytest.fixture
def ejabberd() -> Iterator[FakeEjabberd]:
    with FakeEjabberd() as server:
        server.sessions = {ALICE: ["phone"], BOB: ["pad"]}
        server.uptimes = {"phone": 3600, "pad": 3600}
        yield server


@pytest.fixture
def service(tmp_path: Path, ejabberd: FakeEjabberd) -> Iterator[SignalsService]:
    """Its configuration gets the issuer when that runs."""
    with SignalsService(tmp_path, ejabberd.url) as running:
        yield running


@pytest.fixture
def provider(tmp_path: Path, service: SignalsService) -> Iterator[OidcProvider]:
    uri = f"http://127.0.0.1:{service.port}/backchannel-logout"
    try:
        with oidc_provider(uri, SECRET, tmp_path / "provider-stderr") as running:
            yield running
    except NoProviderError as why:
        pytest.skip(str(why))


def configure(service: SignalsService, issuer: str, *audiences: str, secret: str = "") -> None:
    service.stop()
    with service.config.open("a") as file:
        file.write(
            f'[[signals.issuer]]\nissuer = "{issuer}"\naudience = {list(audiences)}\n'
            f'host = "example.org"\nclaim = "sub"\n{secret}\n'
        )
    service.start()


def test_each_client_of_the_provider_can_log_a_user_out(
    service: SignalsService, ejabberd: FakeEjabberd, provider: OidcProvider
) -> None:
    clients = ["RS256", "ES256", "HS256"]
    configure(service, provider.issuer, *clients, secret=f'client_secret = "{SECRET}"')
    for client in clients:
        ejabberd.sessions[ALICE] = ["phone"]
        assert provider.log_out("alice", client) is None
        service.wait_until_done()
        assert ejabberd.sessions == {BOB: ["pad"]}
    assert len(service.entries()) == 3


def test_without_the_secret_a_token_with_hs256_is_refused(
    service: SignalsService, ejabberd: FakeEjabberd, provider: OidcProvider
) -> None:
    configure(service, provider.issuer, "HS256")
    error = provider.log_out("alice", "HS256")
    assert error
    assert "400" in error
    assert ejabberd.sessions[ALICE] == ["phone"]


def test_a_token_for_another_client_is_refused(
    service: SignalsService, ejabberd: FakeEjabberd, provider: OidcProvider
) -> None:
    configure(service, provider.issuer, "ES256")
    error = provider.log_out("alice", "RS256")
    assert error
    assert "400" in error
    assert ejabberd.sessions[ALICE] == ["phone"]
