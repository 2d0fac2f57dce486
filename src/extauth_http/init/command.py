"""``extauth-http init``: from its options to the files that it writes."""

import sys
from dataclasses import replace
from pathlib import Path

from extauth_http.backends.registry import backend_of_kind
from extauth_http.check import report
from extauth_http.check.account import Account, AccountNotFoundError
from extauth_http.check.finding import Level
from extauth_http.check.service import probe
from extauth_http.config.loader import DEFAULT_FILE, ConfigError, config_file, validate
from extauth_http.config.settings import Settings
from extauth_http.init.answers import Answers, toml
from extauth_http.init.ejabberd_lines import ejabberd_lines
from extauth_http.init.files import InitError, check_is_writable, write_file
from extauth_http.init.options import InitOptions
from extauth_http.init.questions import (
    ask_answers,
    ask_secret,
    ask_secret_file,
    confirm,
    needs_secret,
    parse_host,
)
from extauth_http.terminal.printable import printable, printable_lines


def init(options: InitOptions) -> int:
    """Writes the configuration and returns 0, or 1 if the operator stops. Raises InitError."""
    if not options.non_interactive and not sys.stdin.isatty():
        raise InitError("init asks questions at a terminal. Without one use --non-interactive")
    account = _account(options.run_as)
    file = (config_file(options.config) or DEFAULT_FILE).absolute()
    check_is_writable(file, account)
    overwrite = _may_overwrite(file, options)
    if overwrite is None:
        return 1
    answers = _from_options(options)
    while True:
        if not options.non_interactive:
            answers = ask_answers(answers)
        answers = _with_secret(answers, file, account, options)
        if _is_usable(answers, file, options):
            break
        if not confirm("Change the answers?", default=True):
            return 1
    if answers.secret and answers.secret_file:
        write_file(answers.secret_file, f"{answers.secret}\n", account)
        print(f"Written: {printable(str(answers.secret_file))}")
    write_file(file, toml(answers.tables(with_secret=False)), account, overwrite=overwrite)
    print(f"Written: {printable(str(file))}\n")
    print(printable_lines(ejabberd_lines(file, answers.hosts)))
    return 0


def _account(name: str | None) -> Account:
    try:
        return Account(name)
    except AccountNotFoundError as error:
        raise InitError(f"--run-as: {error}") from None


def _may_overwrite(file: Path, options: InitOptions) -> bool | None:
    """Whether an existing file is replaced; None if the operator keeps it."""
    if options.overwrite or not (file.exists() or file.is_symlink()):
        return options.overwrite
    if options.non_interactive:
        raise InitError(f"{file} exists. Use --overwrite to replace it")
    return confirm(f"{printable(str(file))} exists. Replace it?", default=False) or None


def _from_options(options: InitOptions) -> Answers:
    try:
        hosts = tuple(map(parse_host, options.hosts))
    except ValueError as error:
        raise InitError(f"--host: {error}") from None
    return Answers(
        kind=options.kind,
        values=options.values,
        hosts=hosts,
        service_auth=options.service_auth,
        username=options.username,
        secret_file=options.secret_file,
        header_name=options.header_name,
        log_file=options.log_file,
    )


def _with_secret(answers: Answers, config: Path, account: Account, options: InitOptions) -> Answers:
    if not needs_secret(answers):
        return replace(answers, secret_file=None, secret="")
    file = answers.secret_file or config.with_name("extauth-http.secret")
    if not options.non_interactive:
        file = ask_secret_file(file)
    file = file.absolute()
    if file.exists():
        return replace(answers, secret_file=file, secret="")
    check_is_writable(file, account)
    return replace(answers, secret_file=file, secret=ask_secret(file))


def _is_usable(answers: Answers, file: Path, options: InitOptions) -> bool:
    """Whether the answers are valid and the service gives usable responses.

    A problem is an InitError with --non-interactive. At a terminal it is shown.
    """
    try:
        tables = answers.tables(with_secret=True)
        settings = validate(Settings, file, tables, backend_of_kind)
    except ConfigError as error:
        problems = "\n".join(error.problems)
        if options.non_interactive:
            raise InitError(problems) from None
        print(printable_lines(problems))
        return False
    if options.skip_test:
        return True
    level = report.show(
        [("The service", list(probe.findings(settings, list(answers.hosts), None)))]
    )
    if level is not Level.BROKEN:
        return True
    if options.non_interactive:
        raise InitError("the service gave no usable response. Nothing was written")
    return confirm("Write the configuration in spite of these problems?", default=False)
