"""One service, one ``serve`` and one Prosody for the tests of a file."""

import os
from collections.abc import Iterator

import pytest

from tests.e2e.prosody.accounts import Accounts
from tests.e2e.prosody.server import PROSODY, Prosody
from tests.integration.program import rest
from tests.integration.service import Service
from tests.service.processes import ServeProcess


@pytest.fixture(scope="session", autouse=True)
def _prosody_is_installed() -> None:
    """Without Prosody these tests are skipped, except in CI."""
    if PROSODY.exists():
        return
    reason = f"no Prosody at {PROSODY}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def all_accounts() -> Accounts:
    return Accounts()


@pytest.fixture
def accounts(all_accounts: Accounts) -> Accounts:
    """As they are at the start of each test."""
    all_accounts.reset()
    return all_accounts


@pytest.fixture(scope="module")
def service(all_accounts: Accounts) -> Iterator[Service]:
    with Service(all_accounts.behave) as running:
        yield running


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory, service: Service) -> Iterator[ServeProcess]:
    with ServeProcess(tmp_path_factory.mktemp("serve"), rest(service.url)) as running:
        yield running


@pytest.fixture(scope="module")
def all_server(
    tmp_path_factory: pytest.TempPathFactory, serving: ServeProcess
) -> Iterator[Prosody]:
    with Prosody(tmp_path_factory.mktemp("prosody"), serving.socket) as running:
        yield running


@pytest.fixture
def server(all_server: Prosody, accounts: Accounts) -> Prosody:
    return all_server
