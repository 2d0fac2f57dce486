"""The command line: arguments → a call.

``COMMANDS`` lists every command and the common options that it takes. The other arguments of a
command are in the module that its entry names. They are added, and the module is imported, only
if the command is used: the start of the port program does not pay for them.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Parser = argparse.ArgumentParser


@dataclass(frozen=True, slots=True)
class CommonOption:
    """An option that several commands take, before or after the name of the command."""

    flag: str
    help: str
    metavar: str | None = None
    """The name of its value. An option without a value is true or false."""

    @property
    def name(self) -> str:
        return self.flag.lstrip("-")

    def add_to(self, parser: Parser, *, default: Any, is_hidden: bool = False) -> None:
        settings: dict[str, Any] = {"action": "store_true"}
        if self.metavar:
            settings = {"type": Path, "metavar": self.metavar}
        text = argparse.SUPPRESS if is_hidden else self.help
        parser.add_argument(self.flag, default=default, help=text, **settings)


CONFIG = CommonOption(
    "--config",
    "configuration file (default: $EXTAUTH_HTTP_CONFIG, otherwise /etc/ejabberd/extauth-http.toml)",
    metavar="FILE",
)
DEBUG = CommonOption(
    "--debug",
    "log everything to standard error",
)
COMMON_OPTIONS = (CONFIG, DEBUG)


@dataclass(frozen=True, slots=True)
class Subcommand:
    """One command. ``add_arguments`` gets its parser, and the parser of its common options."""

    name: str
    help: str
    takes: tuple[CommonOption, ...]
    add_arguments: Callable[[Parser, Parser], None]


def _replay(parser: Parser, _: Parser) -> None:
    from extauth_http.replay import add_arguments

    add_arguments(parser)


def _stats(parser: Parser, _: Parser) -> None:
    from extauth_http.stats.arguments import add_arguments

    add_arguments(parser)


def _init(parser: Parser, _: Parser) -> None:
    from extauth_http.init.arguments import add_arguments

    add_arguments(parser)


def _check(parser: Parser, _: Parser) -> None:
    from extauth_http.check.arguments import add_arguments

    add_arguments(parser)


def _serve(parser: Parser, _: Parser) -> None:
    from extauth_http.service.arguments import add_serve_arguments

    add_serve_arguments(parser)


def _relay(parser: Parser, _: Parser) -> None:
    from extauth_http.service.arguments import add_relay_arguments

    add_relay_arguments(parser)


def _user(parser: Parser, common: Parser) -> None:
    from extauth_http.admin.arguments import add_user_commands

    add_user_commands(parser, common)


def _room(parser: Parser, common: Parser) -> None:
    from extauth_http.admin.arguments import add_room_commands

    add_room_commands(parser, common)


def _signals(parser: Parser, common: Parser) -> None:
    from extauth_http.signals.arguments import add_signals_commands

    add_signals_commands(parser, common)


COMMANDS = (
    Subcommand(
        "init", "ask for the service, try it, and write the configuration", (CONFIG,), _init
    ),
    Subcommand(
        "replay", "run the commands of a file and show the verdicts", (CONFIG, DEBUG), _replay
    ),
    Subcommand(
        "stats", "summarize the log: logins, verdicts, latency, pool load", (CONFIG,), _stats
    ),
    Subcommand("check", "find errors in the configuration and in ejabberd.yml", (CONFIG,), _check),
    Subcommand("serve", "run the service behind many pool members", (CONFIG,), _serve),
    Subcommand("relay", "run a pool member that uses the service", (), _relay),
    Subcommand("user", "show, notify and end the sessions of users", (CONFIG,), _user),
    Subcommand(
        "room", "create, show and destroy rooms, and manage who is in them", (CONFIG,), _room
    ),
    Subcommand(
        "signals", "end sessions when the identity provider reports a logout", (CONFIG,), _signals
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs ``extauth-http`` and returns its exit code. Raises SystemExit for a usage error."""
    parsed = parse(sys.argv[1:] if arguments is None else arguments)
    try:
        code: int = parsed.run(parsed)
    except KeyboardInterrupt:
        return 130
    return code


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The arguments as attributes; ``run`` is the function to call with them.

    ``--config`` may be given before and after the command; the last one counts. Raises SystemExit
    for a usage error, with code 2, and for ``--help`` and ``--version``.
    """
    parser = _parser(arguments)
    parsed = parser.parse_args(arguments)
    for command in COMMANDS:
        if command.name == parsed.command:
            _check_common_options(parser, command, parsed)
    return parsed


def complete_parser() -> Parser:
    """The parser with the arguments of all commands, for the manual page and the completion."""
    return _parser([command.name for command in COMMANDS])


def _parser(arguments: Sequence[str]) -> Parser:
    parser = Parser(
        prog="extauth-http",
        description="An ejabberd external authentication program that checks every login against "
        "an HTTP service. Without a command it is the program for extauth_program in "
        "ejabberd.yml: it reads packets from standard input and writes replies to standard output. "
        "With --debug, standard input may also be text, one command on a line.",
    )
    CONFIG.add_to(parser, default=None)
    DEBUG.add_to(parser, default=False)
    parser.add_argument("--version", action=_Version)
    parser.set_defaults(run=_run_program)
    commands = parser.add_subparsers(metavar="COMMAND", title="commands", dest="command")
    for command in COMMANDS:
        common = _common_options(command)
        added = commands.add_parser(
            command.name, help=command.help, description=command.help, parents=[common]
        )
        if command.name in arguments:
            command.add_arguments(added, common)
    return parser


def _common_options(command: Subcommand) -> Parser:
    """The parent parser of a command.

    It has all common options, so that ``_check_common_options`` sees those that the command does
    not take. An option that is not given sets nothing: the value from before the command counts.
    """
    common = Parser(add_help=False)
    for option in COMMON_OPTIONS:
        hidden = option not in command.takes
        option.add_to(common, default=argparse.SUPPRESS, is_hidden=hidden)
    return common


def _check_common_options(parser: Parser, command: Subcommand, parsed: argparse.Namespace) -> None:
    for option in COMMON_OPTIONS:
        if option not in command.takes and getattr(parsed, option.name):
            parser.error(f"{command.name} does not use {option.flag}")


class _Version(argparse.Action):
    """Prints the version. The module that finds it is imported only then."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "nargs": 0, "help": "show the version and exit"})

    def __call__(self, parser: Parser, *_: object) -> None:
        from importlib.metadata import version

        print(f"extauth-http {version('extauth-http')}")
        parser.exit()


def _run_program(arguments: argparse.Namespace) -> int:
    from extauth_http.program.main import run

    if os.isatty(0) and not arguments.debug:
        print(
            "extauth-http: waiting for packets from ejabberd on standard input. At a terminal use\n"
            "extauth-http check, extauth-http replay - or extauth-http --help.",
            file=sys.stderr,
        )
    run(arguments.config, debug=arguments.debug)
    return 0
