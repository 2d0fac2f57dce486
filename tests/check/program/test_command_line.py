"""The command line in extauth_program."""

from pathlib import Path

import pytest

from extauth_http.check.program.command_line import config_argument, is_ours, is_relay, with_config

LINES = [
    ("/opt/extauth-http/bin/extauth-http", True, False, None),
    ("/opt/x/extauth-http --config /a.toml", True, False, "/a.toml"),
    ("/opt/x/extauth-http --config=/a.toml", True, False, "/a.toml"),
    ("/opt/x/extauth-http --config '/a b.toml' --debug", True, False, "/a b.toml"),
    ("/usr/bin/env EXTAUTH_HTTP_CONFIG=/a.toml /opt/x/extauth-http", True, False, "/a.toml"),
    ("/usr/bin/python3 -m extauth_http --config a.toml", True, False, "a.toml"),
    ("/opt/x/extauth-http relay --socket /s", True, True, None),
    ("/opt/x/extauth-http --config", True, False, None),
    ("/usr/local/bin/check.pl relay --config /a.toml", False, False, "/a.toml"),
    ("/opt/extauth-http/other", False, False, None),
    ("/opt/x/extauth-http 'unclosed", False, False, None),
]


@pytest.mark.parametrize(("line", "ours", "relay", "config"), LINES)
def test_a_command_line_is_split_as_the_shell_does(
    line: str, ours: bool, relay: bool, config: str | None
) -> None:
    assert is_ours(line) == ours
    assert is_relay(line) == relay
    assert config_argument(line) == (Path(config) if config else None)


REPLACED = [
    ("/opt/x/extauth-http", "/opt/x/extauth-http --config /b.toml"),
    ("/opt/x/extauth-http --config a.toml --debug", "/opt/x/extauth-http --config /b.toml --debug"),
    ("nice /a.toml/extauth-http --config=/a.toml", "nice /a.toml/extauth-http --config=/b.toml"),
    (
        "env EXTAUTH_HTTP_CONFIG='a b' extauth-http",
        "env EXTAUTH_HTTP_CONFIG='/b.toml' extauth-http",
    ),
    ('extauth-http --config a.toml 2>>"$HOME/err"', 'extauth-http --config /b.toml 2>>"$HOME/err"'),
]


@pytest.mark.parametrize(("line", "expected"), REPLACED)
def test_only_the_file_in_a_command_line_is_replaced(line: str, expected: str) -> None:
    assert with_config(line, Path("/b.toml")) == expected
