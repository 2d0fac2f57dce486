"""The credentials of the program: in the configuration or in a file, and never in an error."""

import pytest

from extauth_http.backends.registry import load
from extauth_http.config.loader import ConfigError
from extauth_http.config.service_auth import Basic, Bearer, Header
from tests.config.files import REST, Writer, problem

SERVICE_AUTH = {
    "bearer": ("token", "", b"Bearer hunter2"),
    "basic": ("password", 'username = "me"\n', b"Basic bWU6aHVudGVyMg=="),
    "header": ("value", 'name = "Authorization"\n', b"hunter2"),
}


@pytest.mark.parametrize("kind", SERVICE_AUTH)
@pytest.mark.parametrize("from_file", [False, True])
def test_a_secret_is_in_the_configuration_or_in_a_file(
    write: Writer, kind: str, from_file: bool
) -> None:
    key, more, sent = SERVICE_AUTH[kind]
    value = f'{key} = "hunter2"'
    if from_file:
        file = write.secret("secret", "hunter2\n")
        value = f'{key}_file = "{file}"'
    settings = load(write(f'{REST}[backend.service_auth]\nkind = "{kind}"\n{more}{value}\n'))
    assert settings.backend is not None
    assert isinstance(settings.backend.service_auth, Bearer | Basic | Header)
    assert settings.backend.service_auth.headers() == [(b"Authorization", sent)]
    assert "hunter2" not in repr(settings)
    assert settings.files() == ([write.folder / "secret"] if from_file else [])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "token_file: cannot read {file}: No such file or directory"),
        ("", "token_file: {file} is empty"),
        ("a\nb", "token_file: {file} holds more than one line of text"),
    ],
)
def test_an_error_names_a_secret_file_that_cannot_be_used(
    write: Writer, content: str | None, expected: str
) -> None:
    file = write.folder / "token"
    if content is not None:
        file.write_text(content)
    message = problem(
        write(f'{REST}[backend.service_auth]\nkind = "bearer"\ntoken_file = "{file}"\n')
    )
    assert expected.format(file=file) in message


def test_a_secret_given_twice_is_an_error(write: Writer) -> None:
    file = write.secret("t", "x")
    section = f'[backend.service_auth]\nkind="bearer"\ntoken="hunter2"\ntoken_file="{file}"\n'
    message = problem(write(REST + section))
    assert "expected token or token_file, not both" in message


@pytest.mark.parametrize(
    "section",
    [
        'kind = "bearer"\ntoken = ["hunter2"]',
        'kind = "bearer"\ntokn = "hunter2"',
        'kind = "basic"\nusername = "me"\npassword = { a = "hunter2" }',
        'kind = "hunter2"',
    ],
)
def test_an_error_does_not_show_a_value(write: Writer, section: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(f"{REST}[backend.service_auth]\n{section}\n"))
    assert "hunter2" not in f"{caught.value} {caught.value!r} {caught.value.__context__!r}"


OAUTH2 = """
[backend.service_auth]
kind = "oauth2"
client_id = "us"
client_secret = "hunter2"
"""


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("", "service_auth: expected either token_url or issuer"),
        (
            'token_url = "http://a.de/"\nissuer = "http://a.de"\n',
            "service_auth: expected either token_url or issuer",
        ),
        ('issuer = "a.de"\n', "service_auth: expected a URL that starts with http"),
        ('token_url = "http+unix://%2Fa/"\n', "service_auth.token_url: expected a URL that starts"),
        ('token_url = "http://a.de/"\nclient_auth = "x"\n', "service_auth.client_auth"),
    ],
)
def test_an_error_names_what_is_wrong_with_the_client_credentials(
    write: Writer, more: str, expected: str
) -> None:
    message = problem(write(REST + OAUTH2 + more))
    assert expected in message
    assert "hunter2" not in message


def test_the_token_endpoint_counts_among_the_urls_that_credentials_are_sent_to(
    write: Writer,
) -> None:
    settings = load(write(f'{REST}{OAUTH2}token_url = "http://login.example.org/token"\n'))
    assert any("http://login.example.org/token" in each for each in settings.warnings())
    assert "hunter2" not in repr(settings)
