"""Checks of the whole test run."""

from collections.abc import Iterator

import pytest

from tests.credentials import outputs, shown


@pytest.fixture(scope="session", autouse=True)
def no_output_shows_a_credential(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """After all tests, searches what the programs wrote for the credentials of the tests."""
    yield
    leaks = {
        str(file): found
        for file in outputs(tmp_path_factory.getbasetemp())
        if (found := shown(file.read_bytes()))
    }
    assert not leaks
