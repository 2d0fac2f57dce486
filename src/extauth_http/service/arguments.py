"""The arguments of ``extauth-http serve`` and ``extauth-http relay``."""

import argparse
import os
import sys
from pathlib import Path

from extauth_http.service.relay_arguments import (
    DEFAULT_DEADLINE,
    DEFAULT_DIALECT,
    DEFAULT_SOCKET,
    parse_deadline,
)
from extauth_http.terminal.argument_types import argument_type, whole_number
from extauth_http.terminal.error_message import print_error

MAX_WORKERS = 1024


def add_serve_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Run one service for all pool members. Each pool member of ejabberd is then a relay "
        '(extauth_program: "extauth-http relay"), which uses little memory. SIGTERM stops the '
        "service after it has answered the packets that it has received. SIGHUP reloads the "
        "configuration."
    )
    parser.add_argument(
        "--socket",
        type=Path,
        default=DEFAULT_SOCKET,
        metavar="PATH",
        help="Unix socket for the relays; not used if systemd passes a socket (default: "
        "%(default)s)",
    )
    parser.add_argument(
        "--user",
        metavar="NAME",
        help="account to change to after the socket is created; necessary if the service is "
        "started by root, such as --user extauth-http",
    )
    parser.add_argument(
        "--group",
        metavar="GROUP",
        help="group that may connect to the socket, such as ejabberd (default: the group of this "
        "process)",
    )
    parser.add_argument(
        "--workers",
        type=whole_number("processes", MAX_WORKERS),
        metavar="N",
        help="number of worker processes (default: one for each CPU core)",
    )
    parser.add_argument(
        "--metrics",
        type=argument_type(_address),
        metavar="HOST:PORT",
        help="answer Prometheus at http://HOST:PORT/metrics (default: no metrics)",
    )
    parser.set_defaults(run=_run_serve)


def add_relay_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Run a pool member of ejabberd that passes packets to extauth-http serve. It reads packets "
        "from standard input and writes replies to standard output. It has no configuration file."
    )
    parser.add_argument(
        "--socket",
        default=DEFAULT_SOCKET,
        metavar="PATH",
        help="Unix socket of the service (default: %(default)s)",
    )
    parser.add_argument(
        "--dialect",
        choices=["ejabberd", "boolean"],
        default=DEFAULT_DIALECT,
        help="form of the relay's own replies, which it gives while the service does not reply; "
        "boolean for MongooseIM (default: %(default)s)",
    )
    parser.add_argument(
        "--deadline",
        type=argument_type(parse_deadline),
        default=DEFAULT_DEADLINE,
        metavar="SECONDS",
        help="longest wait for a reply of the service; use a little more than deadline in its "
        f"configuration (default: {DEFAULT_DEADLINE:g})",
    )
    parser.add_argument(
        "--print-script",
        action="store_true",
        help="print the relay as one Python file that needs no package, and exit; for a machine or "
        "an image where only ejabberd and Python are installed",
    )
    parser.set_defaults(run=_run_relay)


def _run_serve(arguments: argparse.Namespace) -> int:
    from extauth_http.service.command import serve
    from extauth_http.service.listener import ServeError

    try:
        serve(
            arguments.config,
            arguments.socket,
            user=arguments.user,
            group=arguments.group,
            workers=arguments.workers or len(os.sched_getaffinity(0)),
            metrics=arguments.metrics,
        )
    except ServeError as error:
        return print_error(str(error))
    return 0


def _run_relay(arguments: argparse.Namespace) -> int:
    if arguments.print_script:
        from extauth_http.service.relay_script import relay_script

        sys.stdout.write(relay_script())
        return 0
    from extauth_http.service.relay import Relay

    Relay(arguments.socket, arguments.dialect, arguments.deadline).run()
    return 0


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"expected HOST:PORT such as 127.0.0.1:9109, not {text!r}")
    return host.strip("[]"), int(port)
