"""The arguments of ``extauth-http stats``."""

import argparse
import contextlib
import math
import sys
import time
from pathlib import Path

from extauth_http.config.durations import parse_duration
from extauth_http.stats.log_entries import parse_time
from extauth_http.terminal.argument_types import argument_type, whole_number
from extauth_http.terminal.error_message import print_error

MAX_POOL_SIZE = 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Summarize the log by host and by backend: logins per minute, verdicts, reasons, latency, "
        "the users whose logins are refused most often, and the load of the pool."
    )
    parser.add_argument(
        "files",
        nargs="*",
        metavar="FILE",
        help="JSON log; rotated and gzip files are accepted, - is standard input (default: "
        "log.file of the configuration)",
    )
    parser.add_argument(
        "--since",
        type=argument_type(lambda text: parse_since(text, time.time())),
        default=-math.inf,
        metavar="TIME",
        help="count only what is not older: 30m, 1h, 2d, or an ISO 8601 time",
    )
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    parser.add_argument(
        "--follow",
        action="store_true",
        help="keep reading the last FILE as it grows, also after its rotation",
    )
    parser.add_argument(
        "--pool-size",
        type=whole_number("pool members", MAX_POOL_SIZE),
        metavar="N",
        help="extauth_pool_size in ejabberd.yml (default: the largest number of processes that "
        "the log shows at one time)",
    )
    parser.add_argument(
        "--pools",
        type=whole_number("pools"),
        metavar="N",
        help="number of pools: one for each virtual host, or 1 if extauth_pool_name joins them "
        "(default: the hosts in the log, 1 if a process replies for several of them)",
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from extauth_http.stats.command import stats
    from extauth_http.stats.report import LogReport

    names: list[str] = arguments.files or [_configured_log(arguments.config)]
    if not all(names):
        return 2
    try:
        return stats(
            [None if name == "-" else Path(name) for name in names],
            LogReport(arguments.since, arguments.pool_size, arguments.pools),
            follow=arguments.follow,
            as_json=arguments.json,
        )
    except OSError as error:
        return print_error(f"{error.filename}: {error.strerror}")


def _configured_log(config: Path | None) -> str:
    """``log.file`` of the configuration, otherwise ``-``. Empty after an error message."""
    from extauth_http.backends.registry import load
    from extauth_http.config.loader import config_file
    from extauth_http.config.settings import UnusableConfigError

    try:
        log = load(config_file(config)).log
    except UnusableConfigError as error:
        log = error.log
        if not log.file:
            print_error(f"{error}; name a FILE, or - for standard input")
            return ""
    if log.file:
        return str(log.file)
    if sys.stdin.isatty():
        print_error("the configuration has no log.file; name a FILE")
        return ""
    return "-"


def parse_since(text: str, now: float) -> float:
    """The time that ``--since`` means: a duration before ``now``, or an ISO 8601 time.

    All times are in seconds since 1970. A time without a zone is UTC, as in the log. Raises
    ValueError.
    """
    with contextlib.suppress(ValueError):
        return now - parse_duration(text)
    try:
        return parse_time(text)
    except ValueError:
        raise ValueError(
            f"expected 30m, 1h, 2d or an ISO 8601 time such as 2026-05-01T08:00, not {text!r}"
        ) from None
