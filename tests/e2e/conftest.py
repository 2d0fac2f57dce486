"""What the end-to-end tests stand on: the real ejabberd, the real service, the real program."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.ejabberd import ROOT, ebin
from tests.token_service import TokenService, token_service

PROGRAM = Path(sys.executable).parent / "extauth-http"


@pytest.fixture(scope="session", autouse=True)
def _ejabberd_is_here() -> None:
    """Without ejabberd these tests are skipped, except in CI, where that would hide everything."""
    if ebin():
        return
    reason = f"no ejabberd in {ROOT}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


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
