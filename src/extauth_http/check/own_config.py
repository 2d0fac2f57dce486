"""This program's own configuration: found, valid, readable by ejabberd, and not by everybody."""

import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, SecretStr

from extauth_http.check.account import Account
from extauth_http.check.finding import Finding, broken, good, warning
from extauth_http.protocol import Dialect
from extauth_http.settings import BadSettings, Settings, config_file, load

MONGOOSEIM_GIVES_UP = 10.0  # seconds


def is_ours(line: str) -> bool:
    """Whether an ``extauth_program`` line names this program."""
    return any(Path(word).name == "extauth-http" for word in _words(line))


def named_in(line: str) -> Path | None:
    """The FILE of ``--config FILE`` in an ``extauth_program`` line."""
    words = _words(line)
    for word, following in zip(words, [*words[1:], ""], strict=False):
        if word == "--config" and following:
            return Path(following)
        if word.startswith("--config="):
            return Path(word.removeprefix("--config="))
    return None


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        return []


def findings(
    file: Path | None, account: Account, for_ejabberd: bool
) -> tuple[Settings | None, list[Finding]]:
    """The settings, None where they cannot be used, and what was found of them."""
    try:
        chosen = config_file(file)
        settings = load(chosen)
    except BadSettings as bad:
        return None, [broken("config-invalid", problem) for problem in bad.problems]
    found = [good("config-valid", f"{chosen or 'the environment'} is valid")]
    if chosen:
        found += _readable(chosen, settings, account)
        found += _secret(chosen, settings)
    found += [warning("config-plain-http", sentence) for sentence in settings.warnings()]
    found += _timing(settings, for_ejabberd)
    found += _log(settings, account)
    return settings, found


def _readable(file: Path, settings: Settings, account: Account) -> Iterator[Finding]:
    if not account.can_become:
        yield warning(
            "config-readable-unknown",
            f"only root and {account.name} can tell whether {account.name} can read {file}",
        )
        return
    unreadable = [each for each in (file, *settings.files()) if not account.can("-r", each)]
    for each in unreadable:
        name = shlex.quote(str(each))
        yield broken(
            "config-unreadable",
            f"{account.name} cannot read {each}, or not get into a folder above it",
            line=f"chgrp {account.name} {name} && chmod 640 {name}",
        )
    if not unreadable:
        yield good("config-readable", f"{account.name} can read {file} and the files it names")


def _secret(file: Path, settings: Settings) -> Iterator[Finding]:
    held = _holding_secrets(file, settings)
    open_to_all = [each for each in held if each.stat().st_mode & stat.S_IROTH]
    for each in open_to_all:
        yield warning(
            "secret-readable",
            f"{each} holds a secret, and everybody on this machine may read it",
            line=f"chmod o= {shlex.quote(str(each))}",
        )
    if held and not open_to_all:
        yield good("secrets", "secrets may be read by their owner and group only")


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


def _timing(settings: Settings, for_ejabberd: bool) -> Iterator[Finding]:
    is_boolean = settings.dialect is Dialect.BOOLEAN
    if is_boolean and for_ejabberd:
        yield warning(
            "dialect",
            'dialect = "boolean" is for MongooseIM and ejabberd before 18.06; with it, ejabberd '
            "tells a client that its password was changed when it was not",
            line='dialect = "ejabberd"',
        )
    elif is_boolean and settings.deadline >= MONGOOSEIM_GIVES_UP:
        yield warning(
            "deadline",
            f"deadline is {settings.deadline:g} s, and MongooseIM gives up after 10 s",
            line="deadline = 8.0",
        )
    else:
        waits = 10 if is_boolean else 30
        yield good(
            "deadline-below", f"deadline is {settings.deadline:g} s; the server waits {waits} s"
        )


def _log(settings: Settings, account: Account) -> Iterator[Finding]:
    log = settings.log.file
    if log is None or not account.can_become:
        return
    target = log if log.exists() else log.parent
    if not account.can("-w", target):
        yield warning(
            "log-unwritable",
            f"{account.name} cannot write to {target}: the log is lost",
            line=f"chown {account.name} {shlex.quote(str(target))}",
        )
