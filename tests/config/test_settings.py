"""The configuration: where each value comes from, and the text of each error."""

from pathlib import Path

import pytest

from extauth_http.backends.registry import load
from extauth_http.backends.rest import RestSettings
from extauth_http.config.loader import config_file
from extauth_http.config.settings import UnusableConfigError
from extauth_http.protocol.replies import Dialect
from tests.config.files import REST, Writer, problem

USERINFO = '[backend]\nkind = "userinfo"\nurl = "http://127.0.0.1:8080/me"\n'


def test_a_key_that_is_missing_has_its_default(write: Writer) -> None:
    settings = load(write(REST))
    assert settings.deadline == 8.0
    assert settings.dialect is Dialect.EJABBERD
    assert settings.log.level == "info"
    assert isinstance(settings.backend, RestSettings)
    assert str(settings.backend.url) == "http://127.0.0.1:8080/xmpp"
    assert settings.backend.service_auth is None


def test_the_environment_overrides_the_file(write: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXTAUTH_HTTP_BACKEND__URL", "https://auth.example/x")
    monkeypatch.setenv("EXTAUTH_HTTP_DEADLINE", "3")
    settings = load(write(REST + "[log]\nlevel = 'debug'\n"))
    assert isinstance(settings.backend, RestSettings)
    assert str(settings.backend.url) == "https://auth.example/x"
    assert (settings.deadline, settings.log.level) == (3.0, "debug")


def test_the_environment_alone_can_hold_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXTAUTH_HTTP_BACKEND__KIND", "rest")
    monkeypatch.setenv("EXTAUTH_HTTP_BACKEND__URL", "http://localhost/x")
    assert load(None).backend is not None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "expected a [backend] table, or a [hosts] table with a backend each"),
        ("deadline = ", "not TOML: Invalid value (at end of document)"),
        (f"deadlin = 8\n{REST}", "deadlin: unknown key; did you mean deadline?"),
        (f"{REST}deadline = 8", "backend.deadline: unknown key; write it above the first table"),
        (f"{REST}ur = 1\necho = 'x'", "backend.ur: unknown key; did you mean url?"),
        (f"{REST}ur = 1\necho = 'x'", "backend.echo: expected 'X-Request-ID'"),
        (
            f"{REST}[backend.tls]\ncafile = 1",
            "backend.tls.cafile: unknown key; did you mean ca_file?",
        ),
        (f"deadline = 40\n{REST}", "deadline: expected less than or equal to 25"),
        (f"deadline = 'soon'\n{REST}", "deadline: expected a number"),
        (f"dialect = 'erlang'\n{REST}", "dialect: expected 'ejabberd' or 'boolean'"),
        (f"[log]\nlevel = 'loud'\n{REST}", "log.level: expected 'debug', 'info', 'warning' or"),
        ('[backend]\nurl = "http://x/"', 'backend: expected a table with a kind, such as kind = "'),
        ('[backend]\nkind = "rest"', "backend.url: required key is missing"),
        ('[backend]\nkind = "soap"', "no installed package offers 'soap'"),
        (f"{REST}timeout = 3", "backend.timeout: unknown key"),
        (REST.replace("http:", "ftp:"), "backend.url: expected a URL that starts with http:// or"),
        (
            REST.replace("127.0.0.1", "u:pw/hunter2@127"),
            "backend.url: expected a URL; this one cannot",
        ),
        (REST.replace("127", "u:pw@127"), "backend.url: expected a URL without user and password"),
        (f"{REST}[backend.service_auth]\nkind = 'magic'", "expected kind to be one of bearer, bas"),
        (f"{REST}[backend.service_auth]\nkind = 'bearer'", "service_auth.token: required key"),
        (f"{REST}[backend.tls]\nca_file = '/nowhere'", "ca_file: cannot use /nowhere: No such"),
        (f"{REST}[backend.tls]\nclient_key = '/x'", "expected client_cert beside client_key"),
        (f"{REST}[backend.operations.auth]\nmethod = 'GET'", "the request does not say which user"),
        (f"{REST}[backend.operations.auth]\npath = '/x?a'", "auth: path: expected a percent-enc"),
        ('[hosts."b.example"]', 'hosts."b.example".backend: required key is missing'),
        (f"log = 'x'\n{REST}", "log: expected a table"),
        (f"hosts = 'x'\n{REST}", "hosts: expected a table"),
        (f"{REST}trust_env = 'maybe'", "trust_env: expected true or false"),
        (f"{REST}tls.ca_file = 5", "tls.ca_file: expected a path"),
        (f"{REST}standby = 'http://b/'", "backend.standby: expected a list"),
        (
            f"{USERINFO}require = {{ a = {{ b = 1 }} }}",
            "backend.require.a: expected a text, a number",
        ),
        (f"{USERINFO}isuser = 'alow'", "isuser: expected 'deny', 'allow', 'undecided' or a table"),
        (
            f"{REST}[hosts.'B.example']\nbackend.kind='rest'\nbackend.url='http://x'\n"
            "[hosts.'b.example']\nbackend.kind='rest'\nbackend.url='http://x'",
            "two tables are for the same virtual host",
        ),
        (
            "[hosts.example.org.backend]\nkind='rest'",
            'quote the name: [hosts."example.org".backend]',
        ),
        ('[hosts."b.org"]\nkind="rest"', 'write [hosts."b.org".backend] instead of'),
        ('[hosts."*.org".backend]\nkind="status"\nurl="http://x"', "'*.org' is not the name of a"),
        ('[hosts."b:5222".backend]\nkind="status"\nurl="http://x"', "'b:5222' is not the name of"),
        (f"_env_prefix = 'X_'\n{REST}", "_env_prefix: unknown key"),
        (f"_cli_parse_args = true\n{REST}", "_cli_parse_args: unknown key"),
        (f"{REST}_env_prefix = 'X_'", "backend._env_prefix: unknown key"),
        (f"{REST}[backend.tls]\n_x = 1", "tls._x: unknown key"),
        (f"{REST}[backend.operations.auth]\n_x = 1", "operations.auth._x: unknown key"),
        (f"{REST}[log]\n_x = 1", "log._x: unknown key"),
    ],
)
def test_an_error_names_the_file_the_key_and_what_is_expected(
    write: Writer, text: str, expected: str
) -> None:
    message = problem(write(text))
    assert expected in message
    assert message.startswith(str(write.file))


def test_an_error_names_a_file_that_does_not_exist(tmp_path: Path) -> None:
    assert problem(
        tmp_path / "x.toml"
    ) == f"{tmp_path}/x.toml: cannot be read: No such file or " + ("directory")


def test_an_error_in_the_environment_names_the_variable(
    write: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXTAUTH_HTTP_BACKEND__URL", "gopher://x")
    assert problem(write(REST)).startswith("environment variable EXTAUTH_HTTP_BACKEND__URL: expec")


@pytest.mark.parametrize("name", ["LOG", "BACKEND__TLS", "HOSTS"])
def test_a_variable_for_a_whole_table_must_be_json(
    write: Writer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(f"EXTAUTH_HTTP_{name}", "{hunter2")
    message = problem(write(REST))
    assert message.startswith(
        f"environment: EXTAUTH_HTTP_{name.partition('__')[0]}…: expected JSON"
    )
    assert "hunter2" not in message


def test_an_unknown_variable_is_an_error(write: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXTAUTH_HTTP_BAKEND__URL", "http://x")
    assert "EXTAUTH_HTTP_BAKEND__URL: unknown key" in problem(write(REST))


def test_each_virtual_host_can_have_its_own_backend(write: Writer) -> None:
    settings = load(
        write(
            f'{REST}[hosts."b.example".backend]\nkind = "rest"\nurl = "https://auth.b.example/x"\n'
        )
    )
    assert [str(backend.endpoints()[0]) for backend in settings.backends().values()] == [
        "http://127.0.0.1:8080/xmpp",
        "https://auth.b.example/x",
    ]


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://127.0.0.1:8080/", False),
        ("http://127.8.9.1/", False),
        ("http://localhost/", False),
        ("http://[::1]:80/", False),
        ("https://auth.example/", False),
        ("http://auth.example/", True),
        ("http://127.0.0.1.example/", True),
        ("http://10.0.0.1/", True),
    ],
)
def test_credentials_in_clear_text_to_another_machine_are_a_warning(
    write: Writer, url: str, warned: bool
) -> None:
    settings = load(write(f'[backend]\nkind = "rest"\nurl = "{url}"\n'))
    assert bool(settings.warnings()) is warned


@pytest.mark.parametrize(
    ("argument", "environ", "expected"),
    [
        ("/a.toml", {"EXTAUTH_HTTP_CONFIG": "/b.toml"}, "/a.toml"),
        (None, {"EXTAUTH_HTTP_CONFIG": "/b.toml"}, "/b.toml"),
        (None, {}, "/etc/ejabberd/extauth-http.toml"),
        (None, {"EXTAUTH_HTTP_BACKEND__KIND": "rest"}, None),
    ],
)
def test_the_file_is_the_argument_or_the_variable_or_the_default_path(
    argument: str | None, environ: dict[str, str], expected: str | None
) -> None:
    found = config_file(Path(argument) if argument else None, environ)
    assert found == (Path(expected) if expected else None)


def test_the_log_and_the_dialect_of_a_file_with_errors_are_used(write: Writer) -> None:
    with pytest.raises(UnusableConfigError) as caught:
        load(write('dialect = "boolean"\nnonsense = 1\n[log]\nfile = "/x/y.log"\n'))
    assert caught.value.log.file == Path("/x/y.log")
    assert caught.value.dialect is Dialect.BOOLEAN


@pytest.mark.parametrize("text", [None, "not = [TOML", "nonsense = 1\n"])
def test_the_log_and_the_dialect_of_the_environment_are_used_whatever_the_file_is(
    write: Writer, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    """A server that understands only 0 and 1 must not get 2 because a file has an error."""
    monkeypatch.setenv("EXTAUTH_HTTP_DIALECT", "boolean")
    monkeypatch.setenv("EXTAUTH_HTTP_LOG__FILE", "/x/y.log")
    file = write.folder / "missing.toml" if text is None else write(text)
    with pytest.raises(UnusableConfigError) as caught:
        load(file)
    assert caught.value.log.file == Path("/x/y.log")
    assert caught.value.dialect is Dialect.BOOLEAN


def test_the_account_of_the_admin_commands_is_not_in_repr(write: Writer) -> None:
    account = '[ejabberd.service_auth]\nkind = "bearer"\ntoken = "hunter2"\n'
    assert "hunter2" not in repr(load(write(REST + account)))


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("B.Example", "b.example"),
        ("BÜCHER.example", "bücher.example"),
        ("\uff42ücher.example", "bücher.example"),
        ("straße.example", "strasse.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
    ],
)
def test_the_name_of_a_host_is_prepared_as_ejabberd_prepares_it(
    write: Writer, written: str, sent: str
) -> None:
    table = f"[hosts.'{written}'.backend]\nkind = 'rest'\nurl = 'http://127.0.0.1/x'\n"
    assert load(write(table)).hosts.keys() == {sent}
