"""What the tests of ``serve`` share: a service, and ``serve`` in front of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.program import (
    rest,
)
from tests.integration.service import Service
from tests.service.processes import ServeProcess, password_decides


@pytest.fixture
def service() -> Iterator[Service]:
    with Service(password_decides) as running:
        yield running


@pytest.fixture
def serving(tmp_path: Path, service: Service) -> Iterator[ServeProcess]:
    with ServeProcess(tmp_path, rest(service.url)) as running:
        yield running
