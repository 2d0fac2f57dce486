"""Fixtures of the tests that read a configuration file."""

from pathlib import Path

import pytest

from tests.config.files import Writer


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    return Writer(tmp_path)
