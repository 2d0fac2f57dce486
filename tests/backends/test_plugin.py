"""A kind of backend from a package of its own, built and installed as any other."""

import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from tests.integration.program import ALLOW, DENY, UNDECIDED, Program, auth, isuser, rest
from tests.integration.service import Service, answering, http

PACKAGE = Path(__file__).parent / "example_package"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example package in it, for ``PYTHONPATH``."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", "--no-build-isolation", "--target", str(folder), str(PACKAGE)]
    subprocess.run([*pip, *options], check=True)
    return folder


def test_an_installed_package_offers_a_kind(tmp_path: Path, installed: Path) -> None:
    answers = answering(http(200, "OK\n"), http(200, "NO"), http(200, "MAYBE"), http(503))
    with Service(answers) as service:
        config = f'[backend]\nkind = "plaintext"\nurl = "{service.url}"\n'
        environment = {"PYTHONPATH": str(installed)}
        with Program(tmp_path, config, environment=environment) as program:
            assert [program.ask(auth("p&w")) for _ in range(4)] == [
                ALLOW,
                DENY,
                UNDECIDED,
                UNDECIDED,
            ]
            assert program.ask(isuser()) == DENY
            assert program.reasons(5) == [
                "allowed",
                "denied",
                "not_an_answer",
                "http_503",
                "unsupported",
            ]
            assert {event["backend"] for event in program.logged()} == {"plaintext"}
        assert parse_qs(service.requests[0].body.decode()) == {
            "login": ["alice"],
            "secret": ["p&w"],
            "realm": ["xmpp"],
        }


def test_its_settings_are_checked_like_any_other(tmp_path: Path, installed: Path) -> None:
    config = '[backend]\nkind = "plaintext"\nurl = "http://127.0.0.1:1/"\nrelm = "x"\n'
    environment = {"PYTHONPATH": str(installed)}
    with Program(tmp_path, config, environment=environment) as program:
        (event,) = program.logged("config_broken")
        assert event["problems"] == [f"{program.config}: backend.relm: unknown key"]


def test_without_the_package_the_error_names_what_there_is(tmp_path: Path) -> None:
    config = rest("http://127.0.0.1:1/").replace('"rest"', '"plaintext"')
    with Program(tmp_path, config) as program:
        (event,) = program.logged("config_broken")
        (problem,) = event["problems"]
        assert "no installed package offers 'plaintext'" in problem
        assert "rest" in problem
