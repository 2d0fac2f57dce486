"""The arguments of ``extauth-http check``."""

import argparse
from pathlib import Path

from extauth_http.config.durations import parse_duration
from extauth_http.terminal.argument_types import argument_type, whole_number
from extauth_http.terminal.error_message import print_error


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--ejabberd-yml", type=Path, metavar="FILE", help="check this ejabberd.yml as well"
    )
    parser.add_argument(
        "--host",
        action="append",
        default=[],
        metavar="HOST",
        help="check only this virtual host of ejabberd.yml; can be repeated",
    )
    parser.add_argument(
        "--user",
        metavar="JID",
        help="try a login; the password is read from the terminal or from standard input",
    )
    parser.add_argument(
        "--run-as", metavar="ACCOUNT", help="account that ejabberd runs as (default: ejabberd)"
    )
    parser.add_argument(
        "--clients",
        type=whole_number("clients"),
        metavar="N",
        help="clients of one virtual host that reconnect, for example after a restart of ejabberd",
    )
    parser.add_argument(
        "--within",
        type=argument_type(_period),
        metavar="TIME",
        help="time in which they reconnect, such as 30s or 5m (default: 60s)",
    )
    parser.add_argument(
        "--api",
        metavar="URL",
        help="admin API of a running ejabberd, such as http://127.0.0.1:5443/api",
    )
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    parser.set_defaults(run=_run)


def _period(text: str) -> float:
    seconds = parse_duration(text)
    if not 1 <= seconds <= 86_400:
        raise ValueError(f"expected 1s to 1d, not {text!r}")
    return seconds


def _run(arguments: argparse.Namespace) -> int:
    from extauth_http.check.command import ArgumentError, CheckOptions, check

    options = CheckOptions(
        config=arguments.config,
        ejabberd_yml=arguments.ejabberd_yml,
        hosts=tuple(arguments.host),
        run_as=arguments.run_as,
        user=arguments.user,
        clients=arguments.clients,
        within=arguments.within,
        api=arguments.api,
        as_json=arguments.json,
    )
    try:
        return check(options)
    except ArgumentError as error:
        return print_error(str(error))
