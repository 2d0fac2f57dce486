"""The command line in extauth_program."""

import subprocess
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
    ("/usr/local/bin/extauth-http-relay --socket /s", True, True, None),
    ("/usr/bin/python3 -I /opt/extauth-http-relay", True, True, None),
    ("/opt/x/extauth-http --config", True, False, None),
    (r"/opt/x/extauth-http --config /a\ b.toml", True, False, "/a b.toml"),
    ('/opt/x/extauth-http --config "/a \\"b\\".toml"', True, False, '/a "b".toml'),
    ("/opt/x/extauth-http --config /a.toml --config=/b.toml", True, False, "/b.toml"),
    ("EXTAUTH_HTTP_CONFIG=/a.toml /opt/x/extauth-http --config /b.toml", True, False, "/b.toml"),
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


QUOTED = [
    # a command line and the words that the shell makes of it, with FILE for the file
    (r"/opt/x/extauth-http --config /a\ b.toml --debug", ["--config", "FILE", "--debug"]),
    (r"/opt/x/extauth-http --config=/a\ b.toml", ["--config=FILE"]),
    (
        r"/opt/x/extauth-http --name /a\ b.t --config /a\ b.t",
        ["--name", "/a b.t", "--config", "FILE"],
    ),
    ("/opt/x/extauth-http --config '/a b.toml'", ["--config", "FILE"]),
    ('/opt/x/extauth-http --config "/a b.toml"', ["--config", "FILE"]),
    ("/opt/x/extauth-http --config /a' 'b.toml", ["--config", "FILE"]),
    ("""/opt/x/extauth-http --config '/it'"'"'s.toml'""", ["--config", "FILE"]),
    (r"/opt/x/extauth-http EXTAUTH_HTTP_CONFIG=/a\ b.toml", ["EXTAUTH_HTTP_CONFIG=FILE"]),
    ("/opt/x/extauth-http", ["--config", "FILE"]),
]
FILES = ["/b.toml", "/b c.toml", "/it's.toml", '/"b".toml', r"/b\c.toml", "/$HOME.toml"]


@pytest.mark.parametrize(("line", "words"), QUOTED)
@pytest.mark.parametrize("file", FILES)
def test_the_line_with_another_file_works_in_the_shell(
    line: str, words: list[str], file: str
) -> None:
    replaced = with_config(line, Path(file))
    assert config_argument(replaced) == Path(file)
    command = ["/bin/sh", "-c", f"""set -- {replaced}; printf '%s\\n' "$@" """]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    expected = [word.replace("FILE", file) for word in words]
    assert printed.splitlines() == ["/opt/x/extauth-http", *expected]
