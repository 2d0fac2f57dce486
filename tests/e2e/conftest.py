import os

import pytest
from tests.e2e.ejabberd import ROOT, ebin


@pytest.fixture(scope="session", autouse=True)
def _ejabberd_is_here() -> None:
    """Without ejabberd these tests are skipped, except in CI, where that would hide everything."""
    if ebin():
        return
    reason = f"no ejabberd in {ROOT}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
