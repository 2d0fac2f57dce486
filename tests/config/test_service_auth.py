"""The credentials of the program: in the configuration or in a file, and never in an error."""

import pytest

from extauth_http.backends.registry import load
from extauth_http.config.loader import ConfigError
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
    assert settings.backend.service_auth is not None
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
