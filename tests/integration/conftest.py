"""Fixtures of the integration tests."""

import pytest

from tests.integration.certificates import Certificates, certificates


@pytest.fixture(scope="module")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates(tmp_path_factory.mktemp("certificates"))
