"""Files of the configuration: ejabberd's account can read them, and others cannot read the secrets
or change anything."""

import os
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from pydantic import SecretStr

from extauth_http.check.account import Account
from extauth_http.check.configuration.sections import sections_of
from extauth_http.check.finding import Finding, broken, good, warning
from extauth_http.check.suggested_lines import toml_text
from extauth_http.config.settings import Settings

PROCESSES = Path("/proc")


def findings(file: Path, settings: Settings, account: Account | None) -> Iterator[Finding]:
    """``account`` is None if it is not known who reads the file."""
    if account:
        yield from _readable(file, settings, account)
    yield from _secrets(file, settings, account)
    yield from _writable(file, settings)


def log_findings(settings: Settings, account: Account) -> Iterator[Finding]:
    log = settings.log.file
    if log is None:
        yield from _standard_error(account)
        return
    if not account.can_become:
        return
    log = log.absolute()
    exists = account.can("-e", log)
    if account.can("-w", log if exists else log.parent):
        yield good("log-writable", f"{account.name} can write {log}")
        return
    yield warning(
        "log-unwritable",
        f"{account.name} cannot write {log}: log messages are lost",
        line=_log_line(log, account, exists=exists),
    )


def _standard_error(account: Account) -> Iterator[Finding]:
    """Whether the standard error of a running ejabberd, which its programs share, is lost."""
    for process in PROCESSES.glob("[0-9]*"):
        try:
            is_ejabberd = process.stat().st_uid == account.uid and (
                (process / "exe").readlink().name == "beam.smp"
            )
            if is_ejabberd and (process / "fd" / "2").readlink() == Path(os.devnull):
                yield warning(
                    "log-lost",
                    "log.file is not set, and the standard error of the running ejabberd is "
                    f"{os.devnull}: log messages are lost",
                    line='[log]\nfile = "/var/log/ejabberd/extauth-http.log"',
                )
                return
        except OSError:  # it has ended, or belongs to somebody else
            continue


def _log_line(log: Path, account: Account, *, exists: bool) -> str:
    owner = f"-o {account.name} -g {account.group}"
    if exists:
        return f"chown {account.name} {shlex.quote(str(log))}"
    closed = _closed_folder(log, account)
    if closed is None:
        return f"install {owner} -m 640 /dev/null {shlex.quote(str(log))}"
    if account.can("-e", closed):
        return f"file = {toml_text(f'/var/log/ejabberd/{log.name}')}"
    return f"install -d {owner} -m 750 {shlex.quote(str(log.parent))}"


def _readable(file: Path, settings: Settings, account: Account) -> Iterator[Finding]:
    if not account.can_become:
        yield warning(
            "config-readable-unknown",
            f"cannot check whether {account.name} can read {file}. Run this as root or as "
            f"{account.name}",
        )
        return
    unreadable = [each for each in (file, *settings.files()) if not account.can("-r", each)]
    for each in unreadable:
        name = shlex.quote(str(each.absolute()))
        closed = _closed_folder(each, account)
        if closed:
            yield broken(
                "config-folder",
                f"{account.name} cannot enter {closed}, so it cannot read {each}. Move the file to "
                "another folder and change its path in extauth_program or in the configuration",
                line=f"install -g {account.group} -m 640 {name} "
                f"{shlex.quote(f'/etc/ejabberd/{each.name}')}",
            )
        else:
            yield broken(
                "config-unreadable",
                f"{account.name} cannot read {each}",
                line=f"chgrp {account.group} {name} && chmod 640 {name}",
            )
    if not unreadable:
        yield good("config-readable", f"{account.name} can read {file} and the files that it names")


def _closed_folder(file: Path, account: Account) -> Path | None:
    """The first folder, from the root on, that the account cannot enter."""
    folders = reversed(file.absolute().parents)
    return next((folder for folder in folders if not account.can("-x", folder)), None)


def _secrets(file: Path, settings: Settings, account: Account | None) -> Iterator[Finding]:
    files = sorted(_files_with_secrets(file, settings))
    readable = [each for each in files if each.stat().st_mode & stat.S_IROTH]
    for each in readable:
        name = shlex.quote(str(each.absolute()))
        yield warning(
            "secret-readable",
            f"{each} contains a secret, and every account on this machine can read it",
            line=f"chgrp {account.group} {name} && chmod 640 {name}"
            if account
            else f"chmod o-r {name}",
        )
    if files and not readable:
        yield good("secrets", "only their owner and group can read the files with secrets")


def _writable(file: Path, settings: Settings) -> Iterator[Finding]:
    for each in (file, *settings.files()):
        if each.stat().st_mode & stat.S_IWOTH:
            yield broken(
                "config-writable",
                f"every account on this machine can write {each}, and so send all passwords to "
                "another server or let anyone log in",
                line=f"chmod o-w {shlex.quote(str(each.absolute()))}",
            )


def _files_with_secrets(file: Path, settings: Settings) -> set[Path]:
    """Private keys, the file of each ``…_file`` key, and the configuration itself if it contains a
    secret."""
    files: set[Path] = set()
    for section in sections_of(settings):
        values = dict(section)
        for key, value in values.items():
            if isinstance(value, SecretStr):
                files.add(values.get(f"{key}_file") or file)
        if values.get("client_cert"):
            files.add(values.get("client_key") or values["client_cert"])
    return files
