"""``extauth-http check``: from its options to the report and the exit code."""

import signal
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from extauth_http.check import report
from extauth_http.check.account import Account, AccountNotFoundError
from extauth_http.check.ejabberd_yml.pool_size import Reconnect
from extauth_http.check.login import LoginArgumentError, read_login
from extauth_http.check.program.child_processes import child_processes, end_child_processes
from extauth_http.check.sections import Checks
from extauth_http.config.endpoint import Endpoint
from extauth_http.terminal.broken_pipe import discard_stdout

STOP_SIGNALS = (signal.SIGTERM, signal.SIGHUP)

WITHIN = 60.0
"""Seconds in which clients reconnect, without ``--within``. Most clients wait for a random time
after they have lost their connection."""


class ArgumentError(Exception):
    """An option that cannot be used. The message contains no part of a password."""


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """The options of ``extauth-http check``; see its ``--help``."""

    config: Path | None
    ejabberd_yml: Path | None
    hosts: tuple[str, ...]
    run_as: str | None
    user: str | None
    clients: int | None
    within: float | None
    api: str | None
    as_json: bool


def check(options: CheckOptions) -> int:
    """Prints the report and returns the exit code. Raises ArgumentError.

    SIGTERM and SIGHUP end it. Before it exits, it ends each program that it has started, also one
    whose start is not complete.
    """
    before = child_processes()
    for number in STOP_SIGNALS:
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        return _run(options)
    finally:
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        end_child_processes(except_for=before)


def _run(options: CheckOptions) -> int:
    checks = _checks(options)
    if not options.as_json:
        return int(report.show(checks.sections()))
    with redirect_stdout(sys.stderr):  # the backend of a plugin may print
        text, level = report.as_json(checks.sections())
    try:
        print(text, flush=True)
    except BrokenPipeError:
        discard_stdout()
    return int(level)


def _reconnect(options: CheckOptions) -> Reconnect | None:
    if options.within is not None and not options.clients:
        raise ArgumentError("--within: requires --clients")
    if options.clients and not options.ejabberd_yml:
        raise ArgumentError("--clients: requires --ejabberd-yml")
    return Reconnect(options.clients, options.within or WITHIN) if options.clients else None


def _checks(options: CheckOptions) -> Checks:
    if options.hosts and not options.ejabberd_yml:
        raise ArgumentError("--host: requires --ejabberd-yml")
    try:
        account = Account(options.run_as)
        api = Endpoint.parse(options.api) if options.api else None
        login = read_login(options.user) if options.user else None
    except AccountNotFoundError as error:
        raise ArgumentError(f"--run-as: {error}") from None
    except ValueError as error:
        raise ArgumentError(f"--api: {error}") from None
    except LoginArgumentError as error:
        raise ArgumentError(str(error)) from None
    return Checks(
        config=options.config,
        ejabberd_yml=options.ejabberd_yml,
        hosts=options.hosts,
        reconnect=_reconnect(options),
        account=account,
        api=api,
        login=login,
    )
