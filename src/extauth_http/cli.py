"""Arguments → a call. No logic, and each sub-command's imports where it is called."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
_SOCKET = "/run/extauth-http/port.sock"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs ``extauth-http`` and returns its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parsed = _parser(arguments).parse_args(arguments)
    try:
        code: int = parsed.run(parsed)
    except KeyboardInterrupt:
        return 130
    return code


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="extauth-http",
        description="ejabberd's external authentication through an HTTP service. Without a command "
        "it is the program that extauth_program names: packets on standard input, answers on "
        "standard output.",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="the configuration (else $EXTAUTH_HTTP_CONFIG, else /etc/ejabberd/extauth-http.toml)",
    )
    parser.add_argument(
        "--debug",
        action="store_true",
        help="by hand: everything is logged to standard error, and a text file of commands is "
        "understood on standard input as well",
    )
    parser.add_argument("--version", action=_Version)
    parser.set_defaults(run=_program)
    commands = parser.add_subparsers(metavar="COMMAND", title="commands")
    for add in (_add_replay, _add_stats, _add_check, _add_serve, _add_relay):
        add(commands)
    _add_admin(commands, arguments)
    return parser


class _Version(argparse.Action):
    """Prints the version; looked up only when asked for."""

    def __init__(self, **options: object) -> None:
        super().__init__(**{**options, "nargs": 0, "help": "the version"})  # type: ignore[arg-type]

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"extauth-http {version('extauth-http')}")
        parser.exit()


def _program(arguments: argparse.Namespace) -> int:
    import os

    from extauth_http.program.main import run

    if os.isatty(0) and not arguments.debug:
        print(
            "extauth-http: this waits for ejabberd's packets; for a person there are\n"
            "extauth-http check, extauth-http replay - and extauth-http --help",
            file=sys.stderr,
        )
    run(arguments.config, debug=arguments.debug)
    return 0


def _add_replay(commands: Commands) -> None:
    command = commands.add_parser(
        "replay", help="run a file of commands and show what was answered"
    )
    command.add_argument(
        "file", metavar="FILE", help="text or framed packets; - for standard input"
    )
    command.add_argument(
        "--record",
        type=Path,
        metavar="OUT",
        help="run nothing: write the text file's commands as framed packets to OUT",
    )
    command.set_defaults(run=_replay)


def _replay(arguments: argparse.Namespace) -> int:
    import os

    from extauth_http.replay import record, replay

    try:
        if arguments.record:
            name = arguments.file
            text = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
            arguments.record.write_bytes(record(text))
            return 0
        source = 0 if arguments.file == "-" else os.open(arguments.file, os.O_RDONLY)
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}")
    except ValueError as error:
        return _fail(f"{arguments.file}: {error}")
    return replay(arguments.config, source, debug=arguments.debug)


def _add_stats(commands: Commands) -> None:
    command = commands.add_parser(
        "stats", help="what the log says: logins, verdicts, times, the pool"
    )
    command.add_argument(
        "files",
        nargs="*",
        metavar="FILE",
        help="JSON logs, rotated and compressed (gzip) ones too; - for standard input; default: "
        "the configured log.file",
    )
    command.add_argument("--since", type=_since, metavar="TIME", help="30m, 1h, 2d, or ISO 8601")
    command.add_argument("--json", action="store_true", help="everything, in one line of JSON")
    command.add_argument(
        "--follow", action="store_true", help="go on with the last FILE, beyond its rotation"
    )
    command.add_argument(
        "--pool-size",
        type=_count,
        metavar="N",
        help="extauth_pool_size; default: as many processes as the log shows at once",
    )
    command.set_defaults(run=_stats)


def _stats(arguments: argparse.Namespace) -> int:
    import math

    from extauth_http.stats.command import Report, stats

    names: list[str] = arguments.files or [_configured_log(arguments.config)]
    if not all(names):
        return 2
    report = Report(-math.inf if arguments.since is None else arguments.since, arguments.pool_size)
    try:
        return stats(
            [None if name == "-" else Path(name) for name in names],
            report,
            follow=arguments.follow,
            json_only=arguments.json,
        )
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}")


def _configured_log(config: Path | None) -> str:
    """The log that the configuration names, ``-`` where it names none and something is piped in,
    and nothing, after an error, where there is no log to be had."""
    from extauth_http.backends.registry import load
    from extauth_http.config.loader import config_file
    from extauth_http.config.settings import UnusableConfigError

    try:
        log = load(config_file(config)).log
    except UnusableConfigError as bad:
        log = bad.log
        if not log.file:
            _fail(f"{bad}; name a FILE, or - for standard input")
            return ""
    if log.file:
        return str(log.file)
    if sys.stdin.isatty():
        _fail("there is no log.file in the configuration; name a FILE")
        return ""
    return "-"


def _add_check(commands: Commands) -> None:
    command = commands.add_parser(
        "check", help="why does this login not work, and is every login really fresh?"
    )
    command.add_argument("--ejabberd-yml", type=Path, metavar="FILE", help="go through it as well")
    command.add_argument(
        "--user",
        metavar="JID",
        help="try a login too; the password is asked for, or read from standard input",
    )
    command.add_argument(
        "--run-as", metavar="ACCOUNT", help="whom ejabberd runs as; default: ejabberd"
    )
    command.add_argument(
        "--clients",
        type=_clients,
        metavar="N",
        help="how many come back at once when ejabberd was restarted",
    )
    command.add_argument(
        "--api", metavar="URL", help="a running ejabberd's, such as http://127.0.0.1:5280/api"
    )
    command.add_argument("--json", action="store_true", help="everything, in one line of JSON")
    command.set_defaults(run=_check)


def _check(arguments: argparse.Namespace) -> int:
    from extauth_http.check.command import ArgumentError, CheckOptions, check

    options = CheckOptions(
        config=arguments.config,
        ejabberd_yml=arguments.ejabberd_yml,
        run_as=arguments.run_as,
        user=arguments.user,
        clients=arguments.clients,
        api=arguments.api,
        as_json=arguments.json,
    )
    try:
        return check(options)
    except ArgumentError as error:
        return _fail(str(error))


def _add_serve(commands: Commands) -> None:
    command = commands.add_parser("serve", help="one service for many pool members, each a relay")
    command.add_argument(
        "--socket", type=Path, metavar="PATH", default=_SOCKET, help=f"default: {_SOCKET}"
    )
    command.add_argument("--group", help="who else may connect; default: the group it runs as")
    command.add_argument(
        "--workers", type=_count, metavar="N", help="processes; default: one a core"
    )
    command.add_argument(
        "--metrics", type=_address, metavar="HOST:PORT", help="where Prometheus may scrape"
    )
    command.set_defaults(run=_serve)


def _serve(arguments: argparse.Namespace) -> int:
    import os

    from extauth_http.service.command import serve
    from extauth_http.service.listener import ServeError

    try:
        serve(
            arguments.config,
            arguments.socket,
            group=arguments.group,
            workers=arguments.workers or len(os.sched_getaffinity(0)),
            metrics=arguments.metrics,
        )
    except ServeError as why:
        return _fail(str(why))
    return 0


def _add_relay(commands: Commands) -> None:
    command = commands.add_parser("relay", help="a pool member that asks the service")
    command.add_argument("--socket", metavar="PATH", default=_SOCKET, help=f"default: {_SOCKET}")
    command.add_argument(
        "--dialect",
        choices=["ejabberd", "boolean"],
        default="ejabberd",
        help="of its own answers, where the service gives none; default: ejabberd",
    )
    command.add_argument(
        "--deadline",
        type=float,
        default=9.0,
        metavar="SECONDS",
        help="a bit above the one in the service's configuration; default: 9",
    )
    command.set_defaults(run=_relay)


def _relay(arguments: argparse.Namespace) -> int:
    from extauth_http.service.relay import Relay

    Relay(arguments.socket, arguments.dialect, arguments.deadline).run()
    return 0


def _add_admin(commands: Commands, arguments: Sequence[str]) -> None:
    user = commands.add_parser("user", help="end a user's sessions when a credential is gone")
    room = commands.add_parser("room", help="make, show and end rooms, and who is in them")
    # What they are made of is loaded where one of them may be meant, and the port's start not
    # burdened with it.
    if "user" in arguments or "room" in arguments:
        from extauth_http.admin.arguments import of_room, of_user

        of_user(user)
        of_room(room)


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(f"expected a number of processes, not {text!r}")
    return int(text)


def _since(text: str) -> float:
    import time

    from extauth_http.stats.command import since

    try:
        return since(text, time.time())
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected 30m, 1h, 2d or an ISO 8601 time such as 2026-05-01T08:00, not {text!r}"
        ) from None


def _clients(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number of clients, not {text!r}")
    return int(text)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise argparse.ArgumentTypeError(
            f"expected HOST:PORT, such as 127.0.0.1:9109, not {text!r}"
        )
    return host.strip("[]"), int(port)


def _fail(message: str) -> int:
    print(f"extauth-http: {message}", file=sys.stderr)
    return 2
