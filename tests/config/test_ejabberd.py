"""The ``ejabberd`` table: its keys, and that the external authentication program ignores it."""

from pathlib import Path

import pytest

from extauth_http.backends.registry import load as load_port
from extauth_http.config.ejabberd import load_ejabberd
from extauth_http.config.loader import ConfigError
from extauth_http.config.service_auth import Basic, Bearer
from extauth_http.protocol.jid import Jid
from tests.credentials import PASSWORD

BACKEND = '[backend]\nkind = "rest"\nurl = "http://127.0.0.1:8080/xmpp"\n'
API = '[ejabberd]\napi = "http://127.0.0.1:5443/api"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "extauth-http.toml"


def problem(file: Path | None) -> str:
    with pytest.raises(ConfigError) as caught:
        load_ejabberd(file)
    assert "Traceback" not in str(caught.value)
    return str(caught.value)


def test_a_key_that_is_missing_has_its_default(file: Path) -> None:
    file.write_text(API)
    found = load_ejabberd(file)
    assert (str(found.api), found.timeout) == ("http://127.0.0.1:5443/api", 35.0)
    assert (found.service_auth, found.room_admin, found.warnings()) == (None, None, [])


def test_the_environment_overrides_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(API + 'timeout = 7\n[ejabberd.service_auth]\nkind="bearer"\ntoken="filed-one"')
    monkeypatch.setenv("EXTAUTH_HTTP_EJABBERD__API", "https://xmpp.example:5443/api")
    monkeypatch.setenv("EXTAUTH_HTTP_EJABBERD__SERVICE_AUTH__TOKEN", "12345678")
    found = load_ejabberd(file)
    assert (str(found.api), found.timeout) == ("https://xmpp.example:5443/api", 7.0)
    assert isinstance(found.service_auth, Bearer)
    assert found.service_auth.token.get_secret_value() == "12345678"


def test_the_environment_alone_can_hold_the_table(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "API": "http://127.0.0.1:5443/api",
        "SERVICE_AUTH__KIND": "basic",
        "SERVICE_AUTH__USERNAME": "admin@example.org",
        "SERVICE_AUTH__PASSWORD": PASSWORD,
        "ROOM_ADMIN": "Moderator@Example.org",
    }.items():
        monkeypatch.setenv(f"EXTAUTH_HTTP_EJABBERD__{name}", value)
    found = load_ejabberd(file)
    assert isinstance(found.service_auth, Basic)
    assert found.service_auth.password.get_secret_value() == PASSWORD
    assert found.room_admin == Jid("moderator", "example.org")
    assert PASSWORD not in repr(found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "there is no [ejabberd] table"),
        (BACKEND, "there is no [ejabberd] table"),
        ("ejabberd = 3", "ejabberd: expected a"),
        ("[ejabberd]", "ejabberd.api: required key is missing"),
        ("[ejabberd]\napi = 5", "ejabberd.api: expected a URL"),
        ('[ejabberd]\napi = "ftp://x/"', "starts with http:// or https://"),
        ('[ejabberd]\napi = "http://a:swordfish@x/"', "without user and password"),
        (API + "timeout = 0", "ejabberd.timeout"),
        (API + "timeout = nan", "ejabberd.timeout"),
        (API + 'room_admin = "moderator"', "ejabberd.room_admin: expected USER@HOST"),
        (API + "retries = 3", "ejabberd.retries: unknown key"),
        (API + '[ejabberd.service_auth]\nkind = "digest"', "ejabberd.service_auth"),
        (
            API + '[ejabberd.service_auth]\nkind = "bearer"\ntoken_file = "/nowhere"',
            "cannot read /nowhere",
        ),
        (API + '[ejabberd.tls]\nca_file = "/nowhere.pem"', "cannot use /nowhere.pem"),
        ("[ejabberd", "not TOML"),
        ("[ejabberd]\nx = " + "[" * 20_000 + "]" * 20_000, "nested too deeply"),
        ("[ejabberd]\nx = " + "9" * 20_000, "too many digits"),
        (API + "timeout = " + "9" * 400, "ejabberd.timeout: expected a valid number"),
    ],
)
def test_an_error_names_the_key(file: Path, text: str, expected: str) -> None:
    file.write_text(text)
    assert expected in problem(file)
    assert "swordfish" not in problem(file)


def test_a_dotted_key_with_very_many_parts_is_an_error(file: Path) -> None:
    """tomllib refuses it since Python 3.14."""
    file.write_text("[ejabberd]\n" + "a." * 20_000 + "b = 1")
    message = problem(file)
    assert "ejabberd.a: unknown key" in message or "nested too deeply" in message


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("EXTAUTH_HTTP_EJABBERD", "swordfish", "EXTAUTH_HTTP_EJABBERD…: expected JSON"),
        ("EXTAUTH_HTTP_EJABBERD", "[" * 100_000, "environment: a table in JSON is nested too"),
        ("EXTAUTH_HTTP_EJABBERD__TIMEOUT", "9" * 10_000, "EXTAUTH_HTTP_EJABBERD__TIMEOUT: expec"),
        ("EXTAUTH_HTTP_EJABBERD__API", "swordfish", "EXTAUTH_HTTP_EJABBERD__API: expected a URL"),
        ("EXTAUTH_HTTP_EJABBERD__TIMEOUT", "long", "EXTAUTH_HTTP_EJABBERD__TIMEOUT: expected"),
    ],
)
def test_an_error_in_the_environment_names_the_variable(
    file: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, expected: str
) -> None:
    file.write_text(API)
    monkeypatch.setenv(variable, value)
    assert expected in problem(file)
    assert "swordfish" not in problem(file)


def test_an_error_names_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    assert "No such file" in problem(tmp_path / "nothing.toml")
    assert "Is a directory" in problem(tmp_path)
    (tmp_path / "latin").write_bytes(b"# \xff")
    assert "not TOML" in problem(tmp_path / "latin")


@pytest.mark.parametrize(
    ("api", "warnings"),
    [
        ("http://127.0.0.1:1/api", 0),
        ("http://localhost/api", 0),
        ("https://xmpp.example/api", 0),
        ("http://xmpp.example/api", 1),
    ],
)
def test_credentials_in_clear_text_to_another_machine_are_a_warning(
    file: Path, api: str, warnings: int
) -> None:
    file.write_text(f'[ejabberd]\napi = "{api}"')
    assert len(load_ejabberd(file).warnings()) == warnings


@pytest.mark.parametrize(
    "table",
    [
        "ejabberd = 3\n",
        '[ejabberd]\napi = "nonsense"\n',
        '[ejabberd.service_auth]\nkind = "basic"\npassword_file = "/nowhere"\n',
        '[ejabberd.tls]\nca_file = "/nowhere"\n',
    ],
)
def test_the_program_ignores_a_broken_ejabberd_table(file: Path, table: str) -> None:
    file.write_text(f"{table}\n{BACKEND}" if table.startswith("ejabberd") else BACKEND + table)
    assert load_port(file).backend is not None


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("EXTAUTH_HTTP_EJABBERD", "notjson"),
        ("EXTAUTH_HTTP_EJABBERD", "[1]"),
        ("EXTAUTH_HTTP_EJABBERD__API", "nonsense"),
        ("EXTAUTH_HTTP_EJABBERD__SERVICE_AUTH__KIND", "digest"),
    ],
)
def test_the_program_ignores_variables_of_the_ejabberd_table(
    file: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    file.write_text(BACKEND)
    monkeypatch.setenv(variable, value)
    assert load_port(file).backend is not None
