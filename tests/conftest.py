"""What holds for the whole test run."""

from collections.abc import Iterator

import pytest

from tests.credentials import outputs, shown


@pytest.fixture(scope="session", autouse=True)
def no_output_shows_a_credential(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Looks through what every program of this run wrote, once all tests are done."""
    yield
    told = {
        str(file): found
        for file in outputs(tmp_path_factory.getbasetemp())
        if (found := shown(file.read_bytes()))
    }
    assert not told
