"""A fake ejabberd with one session."""

from collections.abc import Iterator

import pytest

from tests.admin.fake_ejabberd import FakeEjabberd


@pytest.fixture
def fake() -> Iterator[FakeEjabberd]:
    with FakeEjabberd() as running:
        running.sessions["alice@example.org"] = ["phone"]
        yield running
