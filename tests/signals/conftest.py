"""Fixtures of the tests of the running service."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.admin.fake_ejabberd import FakeEjabberd
from tests.signals.running_service import ALICE, BOB, Provider, SignalsService


@pytest.fixture
def ejabberd() -> Iterator[FakeEjabberd]:
    with FakeEjabberd() as server:
        server.sessions = {ALICE: ["phone", "desk"], BOB: ["pad"]}
        server.uptimes = dict.fromkeys(["phone", "desk", "pad"], 3600)
        yield server


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


@pytest.fixture
def service(tmp_path: Path, ejabberd: FakeEjabberd, provider: Provider) -> Iterator[SignalsService]:
    with SignalsService(tmp_path, ejabberd.url, provider.table()) as running:
        yield running
