"""A kind of backend from a package of its own, built and installed like any other package."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs

import httpx
import pytest

from extauth_http import Command, Operation, UndecidedError, Verdict
from extauth_http.http.testing import http_client
from extauth_http.protocol.packet_parser import packet
from tests.backends.example_package.extauth_http_plaintext import Plaintext, PlaintextSettings
from tests.integration.program import (
    ALLOW,
    DENY,
    UNDECIDED,
    Program,
    auth,
    isuser,
    rest,
)
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


def test_the_settings_of_a_plugin_are_validated(tmp_path: Path, installed: Path) -> None:
    config = '[backend]\nkind = "plaintext"\nurl = "http://127.0.0.1:1/"\nrelm = "x"\n'
    environment = {"PYTHONPATH": str(installed)}
    with Program(tmp_path, config, environment=environment) as program:
        (event,) = program.logged("config_broken")
        assert event["problems"] == [
            f"{program.config}: backend.relm: unknown key; did you mean realm?"
        ]


def test_without_the_package_the_error_names_the_kinds_that_exist(tmp_path: Path) -> None:
    config = rest("http://127.0.0.1:1/").replace('"rest"', '"plaintext"')
    with Program(tmp_path, config) as program:
        (event,) = program.logged("config_broken")
        (problem,) = event["problems"]
        assert "no installed package offers 'plaintext'" in problem
        assert "rest" in problem


SETTINGS = PlaintextSettings.model_validate(
    {"kind": "plaintext", "url": "http://service.example/?tenant=7"}
)
AUTH = Command(Operation.AUTH, "alice", "example.org", "p&w")
TRYREGISTER = Command(Operation.TRYREGISTER, "alice", "example.org", "p&w")
Handler = Callable[[httpx.Request], httpx.Response]


def tryregister() -> bytes:
    return packet(TRYREGISTER)


def decided(command: Command, service: Handler) -> Verdict:
    """The verdict of the example backend, with a mock of its service."""
    http = http_client(httpx.MockTransport(service), SETTINGS, command)
    backend = Plaintext(SETTINGS)
    if command.operation is Operation.AUTH:
        return backend.auth(command, http)
    return backend.tryregister(command, http)


@pytest.mark.parametrize("command", [AUTH, TRYREGISTER])
@pytest.mark.parametrize(("word", "verdict"), [("OK\n", Verdict.ALLOW), ("NO", Verdict.DENY)])
def test_a_backend_can_be_tested_with_a_mock_of_its_service(
    command: Command, word: str, verdict: Verdict
) -> None:
    def service(request: httpx.Request) -> httpx.Response:
        assert request.url == "http://service.example/?tenant=7"
        assert parse_qs(request.content.decode())["secret"] == ["p&w"]
        return httpx.Response(200, text=word)

    assert decided(command, service) is verdict


def test_a_mock_of_a_service_can_fail() -> None:
    def service(_: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("too slow")

    with pytest.raises(UndecidedError) as caught:
        decided(AUTH, service)
    assert caught.value.reason == "deadline"
    with pytest.raises(httpx.ReadTimeout):
        decided(TRYREGISTER, service)


def test_failures_of_an_httpx_client_have_the_reasons_of_other_requests(
    tmp_path: Path, installed: Path
) -> None:
    """The example does not catch what its client raises."""
    answers = answering(
        http(200, "OK"),
        http(200, "NO"),
        http(200, "MAYBE"),
        http(503),
        http(302, "", "Location: /x/elsewhere"),
        b"",
    )
    with Service(answers) as service:
        config = f'deadline = 0.6\n[backend]\nkind = "plaintext"\nurl = "{service.url}"\n'
        with Program(tmp_path, config, environment={"PYTHONPATH": str(installed)}) as program:
            program.logged("config_loaded")
            asked = [program.ask(tryregister()) for _ in range(6)]
            assert asked == [ALLOW, DENY, *[UNDECIDED] * 4]
            service.__exit__()
            assert program.ask(tryregister()) == UNDECIDED
            assert program.reasons(7) == [
                "allowed",
                "denied",
                "not_an_answer",
                "http_503",
                "http_302",
                "deadline",
                "connect_refused",
            ]
            assert [event.get("status") for event in program.logged()][:4] == [200, 200, 200, 503]
        assert len(service.requests) == 6
