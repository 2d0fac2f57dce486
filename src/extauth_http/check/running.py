"""A running ejabberd, by its admin API: what it is, what it runs with, and whether it lets in."""

import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from extauth_http.check.account import Account
from extauth_http.check.ejabberd_yml import BadYml, EjabberdYml
from extauth_http.check.finding import Finding, broken, good, warning
from extauth_http.check.login import Login

COMPARED = ("auth_method", "auth_use_cache", "use_cache", "extauth_program", "extauth_pool_size")
PERMISSION = (
    'api_permissions: {"extauth-http check": {from: mod_http_api, who: {ip: 127.0.0.1/8}, '
    "what: [status, check_password, dump_config]}}"
)


class _Refused(Exception):  # noqa: N818 - it is what the API said
    pass


def findings(
    url: str, yml: EjabberdYml | None, account: Account, login: Login | None
) -> Iterator[Finding]:
    """``url`` is where ``mod_http_api`` is, such as http://127.0.0.1:5280/api."""
    with httpx.Client(base_url=f"{url.rstrip('/')}/", timeout=35.0, trust_env=False) as client:
        try:
            status = _asked(client, "status")
        except _Refused as refused:
            yield broken("api", f"{url}: {refused}", line=PERMISSION)
            return
        version = re.search(r"ejabberd (\d[\w.+~-]*)", str(status))
        yield good("api-version", f"ejabberd {version[1] if version else '?'} answers at {url}")
        if yml:
            yield from _same_options(client, yml, account)
        if login:
            yield from _log_in(client, login)


def _asked(client: httpx.Client, command: str, **arguments: str) -> Any:
    """What the API answers. Raises _Refused, with nothing of the arguments in its text."""
    try:
        answer = client.post(command, json=arguments)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _Refused(f"the admin API does not answer ({type(error).__name__})") from None
    if answer.status_code in (401, 403):
        raise _Refused(f"api_permissions do not let {command} be called from here")
    if answer.status_code != httpx.codes.OK:
        raise _Refused(f"{command} answers with status {answer.status_code}")
    try:
        return answer.json()
    except ValueError:
        raise _Refused(f"{command} answers with something that is not JSON") from None


def _log_in(client: httpx.Client, login: Login) -> Iterator[Finding]:
    jid = f"{login.user}@{login.host}"
    try:
        said = _asked(
            client, "check_password", user=login.user, host=login.host, password=login.password
        )
    except _Refused as refused:
        yield broken("api-login-refused", f"login of {jid}: {refused}", host=login.host)
        return
    if said == 0:
        yield good("api-login", f"ejabberd lets {jid} in (check_password)", host=login.host)
    else:
        yield broken(
            "api-login-refused",
            f"ejabberd does not let {jid} in (check_password)",
            host=login.host,
        )


def _same_options(client: httpx.Client, yml: EjabberdYml, account: Account) -> Iterator[Finding]:
    """Compares with ``dump_config``, which writes what ejabberd runs with into a file."""
    with tempfile.TemporaryDirectory(prefix="extauth-check-") as name:
        if os.geteuid() == 0:
            os.chown(name, account.uid, account.gid)
        dump = Path(name) / "running.yml"
        try:
            _asked(client, "dump_config", out=str(dump))
            running = EjabberdYml(dump)
        except (_Refused, BadYml) as why:
            yield warning(
                "api-options-unknown", f"what ejabberd runs with cannot be compared: {why}"
            )
            return
    yield from compared(running, yml)


def compared(running: EjabberdYml, yml: EjabberdYml) -> Iterator[Finding]:
    """What a running ejabberd has otherwise than its file."""
    same = True
    for host in yml.hosts:
        for name in COMPARED:
            theirs, ours = (_said(each, host, name) for each in (running, yml))
            if host in running.hosts and theirs == ours:
                continue
            same = False
            option = yml.option(host, name)
            yield broken(
                "api-option-differs",
                f"the running ejabberd has {name} {theirs}, the file has {ours}: it was changed "
                "since",
                line="ejabberdctl reload_config",
                host=host,
                where=option.value.where if option else "",
            )
    if same:
        yield good("api-options", "the running ejabberd has the options of the file")


def _said(yml: EjabberdYml, host: str, name: str) -> str:
    if host not in yml.hosts:
        return "(no such host)"
    option = yml.option(host, name)
    if option is None and name == "extauth_pool_size":
        option = yml.option(host, "extauth_instances")
    if option is None:
        return "(not set)"
    return json.dumps(option.value.words if name == "auth_method" else option.value.plain)
