"""Fixtures of the end-to-end tests: the real ejabberd, the example service, the real program."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.installation import ROOT, ebin
from tests.token_service import TokenService, token_service

PROGRAM = Path(sys.executable).parent / "extauth-http"


@pytest.fixture(scope="session", autouse=True)
def _require_ejabberd() -> None:
    """Skips the tests if there is no ejabberd. In CI, a missing ejabberd is a failure."""
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
    """The value of ``extauth_program``; it logs everything to ``log`` in the folder of the test."""
    return program_line(tmp_path, service.url)


def program_line(folder: Path, url: str, more: str = "") -> str:
    config = folder / "extauth-http.toml"
    config.write_text(
        f'{more}\n[log]\nlevel = "debug"\nfile = "{folder}/log"\n'
        f'[backend]\nkind = "rest"\nurl = "{url}"\n'
    )
    return f"{PROGRAM} --config {config}"
