import getpass
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from extauth_http.check.account import Account
from tests.check.checking import YML
from tests.credentials import PASSWORD
from tests.integration.program import EXECUTABLE
from tests.integration.service import NO, YES, Service


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


@pytest.fixture
def service() -> Iterator[Service]:
    """A service that accepts alice."""

    def behave(request: Any, connection: Any) -> None:
        asked = request.json()
        is_right = asked.get("password", PASSWORD) == PASSWORD
        connection.sendall(YES if asked["user"] == "alice" and is_right else NO)

    with Service(behave) as running:
        yield running


@pytest.fixture
def config(tmp_path: Path, service: Service) -> Path:
    file = tmp_path / "extauth-http.toml"
    file.write_text(
        f'[log]\nfile = "{tmp_path}/log"\n[backend]\nkind = "rest"\nurl = "{service.url}"\n'
    )
    return file


@pytest.fixture
def yml(tmp_path: Path, config: Path) -> Path:
    file = tmp_path / "ejabberd.yml"
    file.write_text(YML.format(program=EXECUTABLE, config=config))
    return file
