"""Compares the options of a running ejabberd with its ejabberd.yml."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from extauth_http.check.account import Account
from extauth_http.check.ejabberd_yml.parser import EjabberdYml
from extauth_http.check.finding import Finding, broken, good
from extauth_http.config.endpoint import is_loopback
from extauth_http.ejabberd_api.client import ApiClient

COMPARED = ("auth_method", "auth_use_cache", "use_cache", "extauth_program", "extauth_pool_size")
MAX_DUMP = 10_000_000  # bytes


class NoDumpError(Exception):
    """ejabberd's options could not be read. The message is the reason."""


def dump_options(api: ApiClient, account: Account) -> EjabberdYml:
    """The options that ejabberd runs with.

    ``dump_config`` makes ejabberd write them into a file; its result does not say whether ejabberd
    could. The directory is made, read and removed as ejabberd's account: root must not write in a
    directory that this account can write to. The account's home comes first, because ``/tmp`` may
    be another directory for ejabberd (systemd's PrivateTmp).

    Raises NoDumpError, ApiError, and EjabberdYmlError if the file is not readable as YAML.
    """
    if not is_loopback(api.settings.api.origin.host):
        raise NoDumpError("ejabberd would write them on another machine")
    for parent in (account.home, tempfile.gettempdir()):
        made = account.run("mktemp", "-d", f"{parent}/extauth-check-XXXXXXXXXX")
        if made is None:
            continue
        directory = made.decode().strip()
        try:
            api.query("dump_config", out=f"{directory}/running.yml")
            dumped = account.run("head", "-c", str(MAX_DUMP), f"{directory}/running.yml")
        finally:
            account.run("rm", "-rf", directory)
        if dumped:
            with tempfile.NamedTemporaryFile(prefix="extauth-check-", suffix=".yml") as file:
                file.write(dumped)
                file.flush()
                return EjabberdYml(Path(file.name))
    raise NoDumpError(
        f"ejabberd cannot write to a directory that {account.runs_as} can read; run this as root "
        "or as ejabberd's account"
    )


def compare(running: EjabberdYml, yml: EjabberdYml) -> Iterator[Finding]:
    """The options in which a running ejabberd differs from its file."""
    is_same = True
    for host in yml.checked_hosts:
        if host not in running.hosts:
            is_same = False
            yield broken(
                "api-host-missing",
                f"the running ejabberd does not have the host {host}; the file was changed after "
                "ejabberd loaded it",
                line="ejabberdctl reload_config",
                host=host,
            )
            continue
        for name in COMPARED:
            current, expected = (_option(source, host, name) for source in (running, yml))
            if current == expected:
                continue
            is_same = False
            option = yml.option(host, name)
            yield broken(
                "api-option-differs",
                f"the running ejabberd has {name} {current}, the file has {expected}; the file was "
                "changed after ejabberd loaded it",
                line="ejabberdctl reload_config",
                host=host,
                where=option.value.where if option else "",
            )
    if is_same:
        yield good("api-options", "the running ejabberd has the options of the file")


def _option(yml: EjabberdYml, host: str, name: str) -> str:
    option = yml.option(host, name)
    if option is None and name == "extauth_pool_size":
        option = yml.option(host, "extauth_instances")
    if option is None:
        return "(not set)"
    return json.dumps(option.value.words if name == "auth_method" else option.value.plain)
