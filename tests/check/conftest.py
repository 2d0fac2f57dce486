import getpass
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from extauth_http.check.account import Account


@pytest.fixture
def account() -> Account:
    """The account that runs the tests."""
    return Account(getpass.getuser())


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every account can enter; those of pytest are for one account."""
    with tempfile.TemporaryDirectory(prefix="extauth-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)
