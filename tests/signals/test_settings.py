"""The ``signals`` table: its keys, and that the external authentication program ignores it."""

from pathlib import Path

import pytest

from extauth_http.backends.registry import load as load_program
from extauth_http.config.loader import ConfigError
from extauth_http.signals.settings import ListenAddress, NoSignalsTableError, load_signals

EJABBERD = '[ejabberd]\napi = "http://127.0.0.1:5443/api"\n'
WEBHOOK = '[signals.webhook]\ntoken = "a-token-of-the-webhook"\n'
ISSUER = """\
[[signals.issuer]]
issuer = "https://login.example.org/realms/example"
audience = "xmpp"
host = "example.org"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "extauth-http.toml"


def problem(file: Path, text: str) -> str:
    file.write_text(EJABBERD + text)
    with pytest.raises(ConfigError) as caught:
        load_signals(file)
    return str(caught.value)


def test_a_key_that_is_missing_has_its_default(file: Path) -> None:
    file.write_text(EJABBERD + ISSUER)
    settings, ejabberd = load_signals(file)
    assert settings.listen == ListenAddress("127.0.0.1", 9110)
    assert (settings.grace, settings.notify, settings.webhook) == (0.0, "", None)
    (issuer,) = settings.issuer
    assert (issuer.claim, issuer.match, issuer.max_age) == ("preferred_username", "{user}", 120.0)
    assert "HS256" not in issuer.accepted_algorithms
    assert ejabberd.timeout == settings.call_timeout
    assert settings.warnings() == []


def test_durations_have_units(file: Path) -> None:
    file.write_text(f'{EJABBERD}[signals]\ngrace = "1m"\ngive_up = "2d"\n{WEBHOOK}')
    settings, _ = load_signals(file)
    assert (settings.grace, settings.give_up) == (60.0, 172_800.0)


def test_the_token_of_the_webhook_is_read_from_its_file_and_not_shown(
    file: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "webhook.token"
    secret.write_text("a-token-of-the-webhook\n")
    file.write_text(f'{EJABBERD}[signals.webhook]\ntoken_file = "{secret}"\n')
    settings, _ = load_signals(file)
    assert settings.webhook
    assert settings.webhook.token.get_secret_value() == "a-token-of-the-webhook"
    assert "a-token-of-the-webhook" not in repr(settings)


def test_the_environment_overrides_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(EJABBERD + WEBHOOK)
    monkeypatch.setenv("EXTAUTH_HTTP_SIGNALS__LISTEN", "[::1]:9999")
    assert load_signals(file)[0].listen == ListenAddress("::1", 9999)


def test_without_the_table_the_error_shows_what_to_write(file: Path) -> None:
    file.write_text(EJABBERD)
    with pytest.raises(NoSignalsTableError, match=r"there is no \[signals\] table"):
        load_signals(file)


def test_the_external_authentication_program_ignores_the_table(file: Path) -> None:
    backend = '[backend]\nkind = "rest"\nurl = "http://127.0.0.1:8080/xmpp"\n'
    file.write_text(f"{backend}[signals]\nlisten = 7\nunknown = true\n")
    assert load_program(file).backends()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("[signals]\n", "nobody sends events", id="no sender"),
        pytest.param('[signals.webhook]\ntoken = "short"\n', "at least 16", id="short token"),
        pytest.param(f"{ISSUER}{ISSUER}", "the same issuer", id="one issuer twice"),
        pytest.param(f'{ISSUER}match = "x"\n', "{user}", id="a match that matches everybody"),
        pytest.param(f'{ISSUER}match = "{{user}}{{user}}"\n', "once", id="two users in a match"),
        pytest.param(f'{ISSUER}client_secret = "short"\n', "32 bytes", id="a short secret"),
        pytest.param(f'{ISSUER}algorithms = ["none"]\n', "RFC 7518", id="alg none"),
        pytest.param(
            f'{ISSUER}algorithms = ["HS256"]\n', "need client_secret", id="HS256 without a secret"
        ),
        pytest.param(
            f'{ISSUER}[signals.issuer.resolve]\nurl = "https://login.example.org/users"\n',
            "{sub} or {email}",
            id="a lookup of nobody",
        ),
        pytest.param(
            f'{ISSUER}[signals.issuer.resolve]\nurl = "https://{{sub}}.example.org/"\n',
            "path or the query",
            id="a lookup at a host of the token's choice",
        ),
        pytest.param(
            f'{ISSUER}claim = "sub"\n'
            '[signals.issuer.resolve]\nurl = "https://login.example.org/{sub}"\n',
            "name a claim",
            id="a lookup that would never happen",
        ),
        pytest.param(ISSUER.replace('"example.org"', '"Example.org"'), "lower case", id="host"),
        pytest.param('[signals]\nlisten = "9110"\n' + WEBHOOK, "HOST:PORT", id="listen"),
        pytest.param('[signals]\ngrace = "2h"\n' + WEBHOOK, "3600", id="a long grace"),
    ],
)
def test_a_value_that_cannot_work_is_an_error(file: Path, text: str, expected: str) -> None:
    assert expected in problem(file, text)


def test_what_can_be_read_or_changed_on_the_way_is_a_warning(file: Path) -> None:
    plain = ISSUER.replace("https:", "http:")
    file.write_text(f'{EJABBERD}[signals]\nlisten = "0.0.0.0:9110"\n{plain}')
    found = load_signals(file)[0].warnings()
    assert ["use https" in found[0], "reverse proxy" in found[1]] == [True, True]
