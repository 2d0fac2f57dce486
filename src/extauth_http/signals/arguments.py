"""The arguments of ``extauth-http signals`` and its commands."""

import argparse
from collections.abc import Callable

from extauth_http.config.durations import parse_duration
from extauth_http.config.loader import ConfigError, config_file
from extauth_http.protocol.jid import Jid
from extauth_http.signals.queue import QueueError
from extauth_http.terminal.argument_types import argument_type
from extauth_http.terminal.error_message import print_error

EXTRA = "pip install 'extauth-http[signals]'"


def add_signals_commands(parser: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    """``common`` has the options that the commands take as well."""
    parser.description = (
        "Receive logout tokens, Security Event Tokens and webhooks, and end the sessions of the "
        "users whom they name. Without a command it runs until SIGTERM. Its settings are the "
        "tables [signals] and [ejabberd]; see docs/signals.md."
    )
    parser.set_defaults(run=_run(_serve))
    commands = parser.add_subparsers(metavar="COMMAND", title="commands", dest="signals_command")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text, parents=[common])

    test = add("test", "send one event through the running service, and report each step")
    test.add_argument(
        "--jid",
        type=argument_type(Jid.parse),
        required=True,
        metavar="USER@HOST",
        help="the user whose sessions end: use an account for tests",
    )
    test.add_argument(
        "--timeout",
        type=argument_type(parse_duration),
        default=30.0,
        metavar="TIME",
        help="longest wait for the end of the sessions (default: 30s)",
    )
    _add_json(test)
    test.set_defaults(run=_run(_test))
    status = add("status", "show the events that wait and those that were given up")
    change = status.add_mutually_exclusive_group()
    change.add_argument(
        "--retry", metavar="ID", help="try an event again now; all: those that were given up"
    )
    change.add_argument("--forget", metavar="ID", help="delete an event from the queue")
    _add_json(status)
    status.set_defaults(run=_run(_status))


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one line of JSON")


def _run(work: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    def run(arguments: argparse.Namespace) -> int:
        try:
            return work(arguments)
        except (ConfigError, QueueError) as error:
            return print_error(str(error))
        except ModuleNotFoundError as error:
            if error.name not in ("jwt", "starlette", "uvicorn", "cryptography"):
                raise
            return print_error(f"the package {error.name} is missing: {EXTRA}")

    return run


def _serve(arguments: argparse.Namespace) -> int:
    from extauth_http.signals.service import SignalsError, serve

    try:
        serve(config_file(arguments.config))
    except SignalsError as error:
        return print_error(str(error))
    return 0


def _test(arguments: argparse.Namespace) -> int:
    from extauth_http.signals import self_test

    return self_test.run(
        config_file(arguments.config),
        arguments.jid,
        timeout=arguments.timeout,
        as_json=arguments.json,
    )


def _status(arguments: argparse.Namespace) -> int:
    from extauth_http.signals import status

    file = config_file(arguments.config)
    if arguments.retry is not None:
        return status.retry(file, arguments.retry)
    if arguments.forget is not None:
        return status.forget(file, arguments.forget)
    return status.show(file, as_json=arguments.json)
