"""What the end-to-end tests stand on: the real ejabberd, the real service, the real program."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.ejabberd import ebin
from tests.token_service import TokenService, token_service

PROGRAM = Path(sys.executable).parent / "extauth-http"


@pytest.fixture(autouse=True)
def needs_ejabberd() -> None:
    if ebin() is None:
        missing = "no ejabberd on this machine; `make test` as root installs Debian's"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[TokenService]:
    """The token service with alice, whose password is ``wonder:land``."""
    with token_service(tmp_path) as running:
        running.add("alice@example.org", "wonder:land")
        yield running


@pytest.fixture
def program(tmp_path: Path, service: TokenService) -> str:
    """The line for ``extauth_program``; it logs everything to ``log`` in the test's folder."""
    return program_line(tmp_path, service.url)


def program_line(folder: Path, url: str, more: str = "") -> str:
    config = folder / "extauth-http.toml"
    config.write_text(
        f'{more}\n[log]\nlevel = "debug"\nfile = "{folder}/log"\n'
        f'[backend]\nkind = "rest"\nurl = "{url}"\n'
    )
    return f"{PROGRAM} --config {config}"
