"""This program's own configuration: found, valid, readable by ejabberd, and not by everybody."""

import os
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, SecretStr

from extauth_http.backends.registry import load
from extauth_http.check.account import Account
from extauth_http.check.finding import Finding, broken, good, warning
from extauth_http.config.endpoint import Endpoint
from extauth_http.config.loader import CONFIG_VARIABLE, PREFIX, ConfigError, config_file
from extauth_http.config.settings import Settings
from extauth_http.protocol.replies import Dialect

EJABBERD_GIVES_UP = 30.0  # seconds, the time in the queue included
MONGOOSEIM_GIVES_UP = 10.0  # seconds
SMALLEST = '[backend]\nkind = "rest"\nurl = "http://127.0.0.1:8080/xmpp"'
"""The smallest configuration."""


def findings(
    file: Path | None, account: Account | None, *, for_ejabberd: bool
) -> tuple[Settings | None, list[Finding]]:
    """The settings, None where they cannot be used, and what was found of them.

    ``account`` is who reads them and writes the log; None where that is a ``serve``'s own.
    """
    chosen = config_file(file)
    found = list(_environment())
    if chosen and _is_missing(chosen):
        return None, [*found, _missing(chosen)]
    try:
        settings = load(chosen)
    except ConfigError as bad:
        return None, [*found, *(_invalid(problem, chosen) for problem in bad.problems)]
    found.append(good("config-valid", f"{chosen or 'the environment'} is valid{_how(file)}"))
    if chosen:
        if account:
            found += _readable(chosen, settings, account)
        found += _secret(chosen, settings, account)
        found += _writable(chosen, settings)
    found += _plain_http(settings)
    found += _dialect(settings, for_ejabberd)
    found += _deadline(settings)
    if account:
        found += _log(settings, account)
    return settings, found


def _how(file: Path | None) -> str:
    if file or not os.environ.get(CONFIG_VARIABLE):
        return ""
    return f" (named by {CONFIG_VARIABLE} here)"


def _is_missing(file: Path) -> bool:
    try:
        file.stat()
    except FileNotFoundError:
        return True
    except OSError:
        pass  # what loading says about it is better
    return False


def _missing(file: Path) -> Finding:
    return broken(
        "config-missing",
        f"{file} is not there; write it (this is the smallest), or name another by --config",
        line=SMALLEST,
        where=str(file),
    )


def _invalid(problem: str, file: Path | None) -> Finding:
    line = "deadline = 8.0" if ": deadline: " in problem else ""
    return broken("config-invalid", problem, line=line, where=str(file or ""))


def _environment() -> Iterator[Finding]:
    variables = sorted(name for name in os.environ if name.upper().startswith(PREFIX))
    if variables:
        yield warning(
            "config-environment",
            f"{', '.join(variables)} counts here; ejabberd may not have it in its environment",
            line=f"unset {' '.join(variables)}",
        )


def _readable(file: Path, settings: Settings, account: Account) -> Iterator[Finding]:
    if not account.can_become:
        yield warning(
            "config-readable-unknown",
            f"only root and {account.name} can tell whether {account.name} can read {file}: run "
            "this as one of them",
        )
        return
    unreadable = [each for each in (file, *settings.files()) if not account.can("-r", each)]
    for each in unreadable:
        name = shlex.quote(str(each.absolute()))
        closed = _closed_folder(each, account)
        if closed:
            yield broken(
                "config-folder",
                f"{account.name} cannot get into {closed}, so it cannot read {each}; put the file "
                "where it can, and change the name where it is named",
                line=f"install -g {account.group} -m 640 {name} /etc/ejabberd/{each.name}",
            )
        else:
            yield broken(
                "config-unreadable",
                f"{account.name} cannot read {each}",
                line=f"chgrp {account.group} {name} && chmod 640 {name}",
            )
    if not unreadable:
        yield good("config-readable", f"{account.name} can read {file} and the files it names")


def _closed_folder(file: Path, account: Account) -> Path | None:
    above = reversed(file.absolute().parents)
    return next((folder for folder in above if not account.can("-x", folder)), None)


def _secret(file: Path, settings: Settings, account: Account | None) -> Iterator[Finding]:
    held = sorted(_holding_secrets(file, settings))
    open_to_all = [each for each in held if each.stat().st_mode & stat.S_IROTH]
    for each in open_to_all:
        name = shlex.quote(str(each.absolute()))
        yield warning(
            "secret-readable",
            f"{each} holds a secret, and everybody on this machine may read it",
            line=f"chgrp {account.group} {name} && chmod 640 {name}"
            if account
            else f"chmod o-r {name}",
        )
    if held and not open_to_all:
        yield good("secrets", "secrets may be read by their owner and group only")


def _writable(file: Path, settings: Settings) -> Iterator[Finding]:
    for each in (file, *settings.files()):
        if each.stat().st_mode & stat.S_IWOTH:
            yield broken(
                "config-writable",
                f"everybody on this machine may write to {each}, and so send all passwords "
                "elsewhere or let anybody in",
                line=f"chmod o-w {shlex.quote(str(each.absolute()))}",
            )


def _holding_secrets(file: Path, settings: Settings) -> set[Path]:
    """Private keys, the ``…_file`` of each secret key, and the configuration itself where a
    secret stands in it."""
    held: set[Path] = set()
    for section in _sections(list(settings.backends().values())):
        values = dict(section)
        for key, value in values.items():
            if isinstance(value, SecretStr):
                held.add(values.get(f"{key}_file") or file)
        if values.get("client_cert"):
            held.add(values.get("client_key") or values["client_cert"])
    return held


def _sections(sections: list[BaseModel]) -> Iterator[BaseModel]:
    for section in sections:
        yield section
        yield from _sections([value for _, value in section if isinstance(value, BaseModel)])


def _plain_http(settings: Settings) -> Iterator[Finding]:
    lines = {
        str(value): f'{key} = "{str(value).replace("http://", "https://", 1)}"'
        for section in _sections(list(settings.backends().values()))
        for key, value in section
        if isinstance(value, Endpoint)
    }
    for sentence in settings.warnings():
        line = next((line for url, line in lines.items() if f" {url} " in sentence), "")
        yield warning("config-plain-http", sentence, line=line)


def _dialect(settings: Settings, for_ejabberd: bool) -> Iterator[Finding]:
    if settings.dialect is Dialect.EJABBERD:
        yield good("dialect-ejabberd", "the dialect is that of ejabberd 18.06 and later")
    elif for_ejabberd:
        yield warning(
            "dialect",
            'dialect = "boolean" is for MongooseIM and ejabberd before 18.06; with it, ejabberd '
            "tells a client that its password was changed when it was not",
            line='dialect = "ejabberd"',
        )
    else:
        yield good("dialect-boolean", "the dialect is that of MongooseIM and old ejabberd")


def _deadline(settings: Settings) -> Iterator[Finding]:
    is_boolean = settings.dialect is Dialect.BOOLEAN
    waits = MONGOOSEIM_GIVES_UP if is_boolean else EJABBERD_GIVES_UP
    server = "MongooseIM" if is_boolean else "ejabberd"
    said = f"deadline is {settings.deadline:g} s, and {server} gives up after {waits:g} s"
    if settings.deadline >= waits:
        yield warning("deadline", said, line="deadline = 8.0")
    elif not is_boolean and settings.deadline > waits / 2:
        yield warning(
            "deadline-long",
            f"{said}, the time in the queue included: who waits behind one that takes the whole "
            "deadline has too little left",
            line="deadline = 8.0",
        )
    else:
        yield good("deadline-below", said)


def _log(settings: Settings, account: Account) -> Iterator[Finding]:
    log = settings.log.file
    if log is None or not account.can_become:
        return
    log = log.absolute()
    is_there = account.can("-e", log)
    if account.can("-w", log if is_there else log.parent):
        yield good("log-writable", f"{account.name} can write {log}")
        return
    owner = f"-o {account.name} -g {account.group}"
    line = f"install {owner} -m 640 /dev/null {shlex.quote(str(log))}"
    closed = _closed_folder(log, account)
    if is_there:
        line = f"chown {account.name} {shlex.quote(str(log))}"
    elif closed and account.can("-e", closed):
        line = f'file = "/var/log/ejabberd/{log.name}"'
    elif closed:
        line = f"install -d {owner} -m 750 {shlex.quote(str(log.parent))}"
    yield warning(
        "log-unwritable", f"{account.name} cannot write {log}: the log is lost", line=line
    )
