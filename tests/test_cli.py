"""The command line: which options each command takes, and what the start imports."""

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from extauth_http import cli

EXAMPLES = {
    "init": ["init"],
    "replay": ["replay", "file"],
    "stats": ["stats"],
    "check": ["check"],
    "serve": ["serve"],
    "relay": ["relay"],
    "user": ["user", "sessions", "alice@example.org"],
    "room": ["room", "list"],
    "signals": ["signals", "status"],
}
TAKES_CONFIG = sorted(EXAMPLES.keys() - {"relay"})
TAKES_DEBUG = ["replay"]


def test_each_command_has_an_example() -> None:
    assert [command.name for command in cli.COMMANDS] == list(EXAMPLES)


def usage_error(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as raised:
        cli.main(arguments)
    assert raised.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("name", TAKES_CONFIG)
@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (["--config", "a"], [], "a"),
        ([], ["--config", "a"], "a"),
        ([], ["--config=a"], "a"),
        (["--config", "a"], ["--config", "b"], "b"),
        (["--config", "a"], ["--config", "a"], "a"),
        ([], [], None),
    ],
)
def test_config_works_before_and_after_a_command_and_the_last_one_counts(
    name: str, before: list[str], after: list[str], expected: str | None
) -> None:
    parsed = cli.parse([*before, *EXAMPLES[name], *after])
    assert parsed.config == (Path(expected) if expected else None)


@pytest.mark.parametrize("command", [["user"], ["room"], ["signals"]])
def test_config_works_between_the_two_words_of_a_command(command: list[str]) -> None:
    (word, *rest) = EXAMPLES[command[0]]
    assert cli.parse([word, "--config", "a", *rest]).config == Path("a")
    assert cli.parse([word, "--config", "a", *rest, "--config", "b"]).config == Path("b")


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize(
    ("option", "names"), [("--config=a", TAKES_CONFIG), ("--debug", TAKES_DEBUG)]
)
def test_an_option_that_a_command_ignores_is_an_error(
    capsys: pytest.CaptureFixture[str], name: str, option: str, names: list[str]
) -> None:
    command = EXAMPLES[name]
    flag = option.partition("=")[0]
    for arguments in ([option, *command], [*command, option]):
        if name in names:
            parsed = cli.parse(arguments)
            assert getattr(parsed, flag.lstrip("-")) in (Path("a"), True)
        else:
            error = usage_error(capsys, *arguments)
            assert error == f"extauth-http: error: {name} does not use {flag}"


@pytest.mark.parametrize("name", EXAMPLES)
def test_help_lists_exactly_the_options_that_a_command_takes(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    with pytest.raises(SystemExit) as raised:
        cli.main([*EXAMPLES[name], "--help"])
    shown = capsys.readouterr().out
    assert raised.value.code == 0
    assert ("--config FILE" in shown) is (name in TAKES_CONFIG)
    assert ("--debug" in shown) is (name in TAKES_DEBUG)


def test_ctrl_c_ends_a_command_with_code_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "parse", lambda _: argparse.Namespace(run=interrupt))
    assert cli.main(["stats"]) == 130


def test_an_unknown_command_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert "invalid choice: 'serv'" in usage_error(capsys, "serv")


def test_the_start_of_the_program_imports_no_command() -> None:
    code = (
        "import sys\nfrom extauth_http import cli\ncli.parse(['--config', 'a'])\n"
        "print(*(name for name in sys.modules if name.startswith('extauth_http')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["extauth_http", "extauth_http.cli"]


def test_the_program_imports_neither_httpx_nor_rich_to_log_in_a_user() -> None:
    code = (
        "import sys\nimport extauth_http.program.main\n"
        "print(*(name for name in ('httpx', 'rich', 'click', 'yaml') if name in sys.modules))\n"
        "import rich.console\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
