import getpass

import pytest

from extauth_http.check.account import Account


@pytest.fixture
def account() -> Account:
    """Whoever runs the tests."""
    return Account(getpass.getuser())
