"""ejabberd_auth_http of ejabberd-contrib: its service is offered as a backend."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from extauth_http.check.account import Account
from extauth_http.check.backend_example import PASSWORD_FILE, example_config
from extauth_http.check.configuration import file as configuration
from extauth_http.check.ejabberd_yml.auth_http import backend_examples
from tests.check.ejabberd_yml.files import findings_of, parse
from tests.settings import settings_of

OPTIONS: list[tuple[str, dict[str, Any] | None]] = [
    ("{host: 'http://localhost:12000'}", {"url": "http://localhost:12000/"}),
    (
        "{host: 'https://10.20.30.40', path_prefix: /auth/, connection_pool_size: 10}",
        {"url": "https://10.20.30.40/auth/"},
    ),
    (
        "{host: 'http://localhost:12000/', path_prefix: '/a b/', basic_auth: ''}",
        {"url": "http://localhost:12000/a%20b/"},
    ),
    (
        "{host: 'http://localhost:12000', basic_auth: 'ejabberd:hunter2'}",
        {
            "url": "http://localhost:12000/",
            "service_auth": {
                "kind": "basic",
                "username": "ejabberd",
                "password_file": PASSWORD_FILE,
            },
        },
    ),
    ("{host: 'http://localhost:12000', basic_auth: hunter2}", {"url": "http://localhost:12000/"}),
    ("{host: 'http://ejabberd:hunter2@localhost'}", None),
    ("{host: 'hunter2'}", None),
    ("{path_prefix: /hunter2/}", None),
    ("hunter2", None),
    ("[]", None),
]


@pytest.mark.parametrize(("options", "backend"), OPTIONS)
def test_auth_http_has_the_mongooseim_lines_with_host_and_prefix_and_without_a_password(
    tmp_path: Path, options: str, backend: dict[str, Any] | None
) -> None:
    found = findings_of(tmp_path, f"auth_method: http\nauth_opts: {options}")
    finding = found["auth-method-not-external"]
    assert finding.line == "auth_method: [external]"
    assert "hunter2" not in str(found)
    if backend is None:
        assert finding.details == ()
        return
    assert "ejabberd_auth_http of ejabberd-contrib" in finding.found
    assert "never asks" not in finding.found
    written = tomllib.loads("\n".join(finding.details[1:]))
    assert written == {"backend": {"kind": "mongooseim", **backend}}


def test_the_service_of_auth_http_is_the_minimal_configuration(
    tmp_path: Path, account: Account
) -> None:
    text = "auth_method: http\nauth_opts: {host: 'http://localhost:1', path_prefix: /x/}\n"
    examples = backend_examples(parse(tmp_path, text))
    _, (finding,) = configuration.findings(
        tmp_path / "nowhere.toml", account, for_ejabberd=True, examples=examples
    )
    backend = settings_of(**tomllib.loads(finding.line)).backend
    assert backend
    assert (backend.kind, str(backend.endpoints()[0])) == ("mongooseim", "http://localhost:1/x/")


def test_each_host_with_its_own_service_has_its_own_table(tmp_path: Path) -> None:
    text = """
auth_method: http
auth_opts: {host: "http://localhost:1"}
host_config:
  b.org: {auth_opts: {host: "http://localhost:2"}}
"""
    examples = backend_examples(parse(tmp_path, text))
    assert tomllib.loads(example_config(examples))["hosts"] == {
        "a.org": {"backend": {"kind": "mongooseim", "url": "http://localhost:1/"}},
        "b.org": {"backend": {"kind": "mongooseim", "url": "http://localhost:2/"}},
    }


def test_auth_opts_without_auth_http_are_not_used(tmp_path: Path) -> None:
    text = "auth_method: [external]\nauth_opts: {host: 'http://localhost:1'}"
    assert backend_examples(parse(tmp_path, text)) == {}
