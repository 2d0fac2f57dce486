"""A fake ejabberd with one session."""

from collections.abc import Iterator

import pytest

from tests.admin.played import Played


@pytest.fixture
def played() -> Iterator[Played]:
    with Played() as running:
        running.sessions["alice@example.org"] = ["phone"]
        yield running
