"""The table that the port program reads past, and the commands about users and rooms need."""

from pathlib import Path

import pytest

from extauth_http import settings as port_settings
from extauth_http.admin.settings import load
from extauth_http.jid import Jid
from extauth_http.settings import BadSettings

API = 'api = "http://127.0.0.1:5443/api"'
BACKEND = '[backend]\nkind = "rest"\nurl = "http://127.0.0.1:1/"\n'


def written(folder: Path, text: str) -> Path:
    file = folder / "extauth-http.toml"
    file.write_text(text)
    return file


def test_the_whole_table(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    file = written(
        tmp_path,
        f'[ejabberd]\n{API}\ntimeout = 5\nroom_admin = "Admin@example.org"\n'
        f'[ejabberd.service_auth]\nkind = "basic"\nusername = "a@h"\npassword_file = "{secret}"\n',
    )
    found = load(file)
    assert (str(found.api), found.timeout) == ("http://127.0.0.1:5443/api", 5)
    assert found.room_admin == Jid("admin", "example.org")
    assert found.service_auth
    assert found.service_auth.headers() == [(b"Authorization", b"Basic YUBoOnMzY3JldA==")]
    assert "s3cret" not in repr(found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there is no [ejabberd] table"),
        (BACKEND, "there is no [ejabberd] table"),
        ("[ejabberd]\n", "ejabberd.api: expected, but not there"),
        ('[ejabberd]\napi = "5443"\n', "ejabberd.api: expected a URL that starts with http"),
        ('[ejabberd]\napi = "http://u:pass@h/api"\n', "without user and password"),
        (f"[ejabberd]\n{API}\ncolour = 1\n", "ejabberd.colour: unknown key"),
        (f"[ejabberd]\n{API}\ntimeout = 0\n", "ejabberd.timeout"),
        (f'[ejabberd]\n{API}\nroom_admin = "admin"\n', "expected USER@HOST"),
        (f'[ejabberd]\n{API}\nservice_auth = {{kind = "magic"}}\n', "expected kind to be one of"),
        (
            f'[ejabberd]\n{API}\nservice_auth = {{kind = "bearer", token_file = "/nowhere"}}\n',
            "cannot read /nowhere",
        ),
        (f'[ejabberd]\n{API}\ntls = {{ca_file = "/nowhere"}}\n', "cannot use /nowhere"),
        ("[ejabberd\n", "not TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadSettings) as bad:
        load(written(tmp_path, text))
    assert said in str(bad.value)
    assert "pass" not in str(bad.value).replace("password", "")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="cannot be read"):
        load(tmp_path / "nothing.toml")


def test_the_environment_goes_before_the_file_and_does_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path, f"{BACKEND}[ejabberd]\n{API}\ntimeout = 5\n")
    monkeypatch.setenv("EXTAUTH_HTTP_EJABBERD__API", "http://127.0.0.1:9/api")
    assert str(load(file).api) == "http://127.0.0.1:9/api"
    assert load(file).timeout == 5
    assert str(load(tmp_path / "nothing.toml").api) == "http://127.0.0.1:9/api"
    assert port_settings.load(file).backend


def test_what_the_environment_says_is_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(
        tmp_path, f'[ejabberd]\n{API}\nservice_auth = {{kind = "bearer", token = "t"}}\n'
    )
    monkeypatch.setenv("EXTAUTH_HTTP_EJABBERD__SERVICE_AUTH__TOKEN", "12345678")
    monkeypatch.setenv("EXTAUTH_HTTP_EJABBERD__ROOM_ADMIN", "Moderator@example.org")
    found = load(file)
    assert found.service_auth
    assert found.service_auth.headers() == [(b"Authorization", b"Bearer 12345678")]
    assert found.room_admin == Jid("moderator", "example.org")
    monkeypatch.setenv("EXTAUTH_HTTP_EJABBERD", "7 {")
    with pytest.raises(BadSettings, match="EXTAUTH_HTTP_EJABBERD: expected JSON"):
        load(file)


@pytest.mark.parametrize(
    "table", ["[ejabberd]\n", "[ejabberd]\ncolour = 1\n", "ejabberd = 7\n", f"[ejabberd]\n{API}\n"]
)
def test_nothing_in_the_table_keeps_anybody_from_logging_in(tmp_path: Path, table: str) -> None:
    first = table if table.startswith("ejabberd") else ""
    file = written(tmp_path, f"{first}{BACKEND}{'' if first else table}")
    assert port_settings.load(file).backend


def test_a_broken_backend_keeps_nobody_from_ending_a_session(tmp_path: Path) -> None:
    file = written(tmp_path, f'[backend]\nkind = "magic"\n[ejabberd]\n{API}\n')
    assert load(file).api


@pytest.mark.parametrize(
    ("api", "is_warned"),
    [
        ("http://127.0.0.1:5443/api", False),
        ("http://localhost:5443/api", False),
        ("https://xmpp.example.org:5443/api", False),
        ("http://xmpp.example.org:5443/api", True),
    ],
)
def test_plain_http_to_another_machine_is_warned_of(
    tmp_path: Path, api: str, is_warned: bool
) -> None:
    found = load(written(tmp_path, f'[ejabberd]\napi = "{api}"\n'))
    assert bool(found.warnings()) is is_warned
