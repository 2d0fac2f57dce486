"""Fixtures of the tests of the jwt kind."""

from collections.abc import Iterator

import pytest

from extauth_http.program.decider import Decider
from tests.backends.jwt_issuer import Issuer, decider_of
from tests.integration.service import Service


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    behave = Issuer()
    with Service(behave) as running:
        behave.url = f"http://localhost:{running.port}"
        yield behave


@pytest.fixture
def decider(issuer: Issuer) -> Iterator[Decider]:
    decider = decider_of(issuer)
    yield decider
    decider.close()
