"""A running ejabberd, by its admin API: what it is, what it runs with, and whether it lets in."""

import json
import re
import tempfile
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from extauth_http.check.account import Account
from extauth_http.check.ejabberd_yml.parser import EjabberdYml
from extauth_http.check.ejabberd_yml.yaml_values import EjabberdYmlError
from extauth_http.check.finding import Correction, Finding, broken, good, warning
from extauth_http.check.login import Login
from extauth_http.config.endpoint import Endpoint
from extauth_http.config.settings import is_loopback
from extauth_http.config.tls import Tls
from extauth_http.http.pool import ConnectionPool
from extauth_http.http.request import Request
from extauth_http.protocol.replies import Dialect
from extauth_http.protocol.verdict import UndecidedError

COMPARED = ("auth_method", "auth_use_cache", "use_cache", "extauth_program", "extauth_pool_size")
PATIENCE = 35.0
"""Seconds for one answer: ejabberd itself waits 30 s for the program."""

NO_BOOLEAN = (18, 6)
"""The version from which on ejabberd understands a third value."""

HIDES = (26, 7)
"""A version that hides passwords in its log unless told otherwise; 24.12 does not."""

QUIET_LEVELS = {"none", "emergency", "alert", "critical", "error", "warning", "notice"}

PERMISSION = (
    '"extauth-http check": {from: mod_http_api, who: {ip: [127.0.0.1/8, "::1/128"]}, '
    "what: [status, get_loglevel, check_password, dump_config]}"
)
LISTENER = (
    '{port: 5280, ip: "127.0.0.1", module: ejabberd_http, request_handlers: {/api: mod_http_api}}'
)


class _Refused(Exception):  # noqa: N818 - it is what the API said
    """``line`` is what ejabberd.yml lacks, and ``at`` the option that it belongs to."""

    def __init__(self, said: str, line: str = "", at: str = "") -> None:
        super().__init__(said)
        self.line = line
        self.at = at


def findings(
    url: Endpoint,
    yml: EjabberdYml | None,
    account: Account,
    login: Login | None,
    dialects: Collection[Dialect],
) -> Iterator[Finding]:
    """``url`` is where ``mod_http_api`` is, such as http://127.0.0.1:5280/api; ``dialects`` are
    those of the configurations that were looked at."""
    api = _Api(url)
    try:
        yield from _findings(api, yml, account, login, dialects)
    finally:
        api.close()


def _findings(
    api: "_Api",
    yml: EjabberdYml | None,
    account: Account,
    login: Login | None,
    dialects: Collection[Dialect],
) -> Iterator[Finding]:
    try:
        status = str(api.ask("status"))
    except _Refused as refused:
        yield broken("api", str(refused), **_line(refused, yml))
        return
    said = re.search(r"ejabberd (\d+)\.(\d+)[\w.+~-]*", status)
    version = (int(said[1]), int(said[2])) if said else None
    if said:
        yield good("api-version", f"{said[0]} answers at {api.url}")
    else:
        yield warning("api-version-unknown", f"{api.url} does not say which ejabberd it is")
    if version and version < NO_BOOLEAN and Dialect.EJABBERD in dialects:
        yield broken(
            "api-dialect",
            f"ejabberd {version[0]}.{version[1]:02} knows only 0 and 1 as answers",
            line='dialect = "boolean"',
        )
    running = None
    try:
        running = _dumped(api, account)
    except (_Refused, EjabberdYmlError) as why:
        if yml:
            yield warning(
                "api-options-unknown",
                f"what ejabberd runs with cannot be compared with the file: {why}",
                **(_line(why, yml) if isinstance(why, _Refused) else Correction()),
            )
    if yml and running:
        yield from compared(running, yml)
    if login:
        yield from _log_in(api, login, running, version, yml)


class _Api:
    def __init__(self, url: Endpoint) -> None:
        self.url = url
        self.is_here = is_loopback(url.origin.host)
        self._http = ConnectionPool(Tls())

    def close(self) -> None:
        self._http.close()

    def ask(self, command: str, **arguments: str) -> Any:
        """What the API answers. Raises _Refused, with nothing of the arguments in its text."""
        body = json.dumps(arguments).encode()
        headers = [
            (b"Host", self.url.host_header),
            (b"Content-Type", b"application/json"),
            (b"Content-Length", str(len(body)).encode()),
        ]
        due = time.monotonic() + PATIENCE
        try:
            request = Request(b"POST", self.url.below(command), headers, body)
            answer = self._http.send(request, due, may_repeat=False)
        except UndecidedError as undecided:
            raise _Refused(
                f"the admin API does not answer {command} ({undecided.reason}: {undecided.detail})",
                LISTENER * (undecided.reason in ("connect_refused", "bad_http")),
                "listen",
            ) from None
        is_json = answer.headers.get("content-type", "").startswith("application/json")
        if answer.status_code in (401, 403):
            raise _Refused(
                f"api_permissions do not let {command} be called from here",
                PERMISSION,
                "api_permissions",
            )
        if answer.status_code == 404 and is_json:
            raise _Refused(f"this ejabberd has no command {command}")
        if 300 <= answer.status_code < 400:
            raise _Refused(f"{self.url} redirects {command} elsewhere, which is not followed")
        if answer.status_code == 404 or (answer.status_code == 200 and not is_json):
            raise _Refused(
                f"{self.url} is not where mod_http_api is: {command} gets status "
                f"{answer.status_code} and something that is not JSON; the path is the one in "
                "request_handlers",
                LISTENER,
                "listen",
            )
        if answer.status_code != 200:
            raise _Refused(f"{command} gets status {answer.status_code}")
        try:
            return answer.json()
        except UndecidedError:
            raise _Refused(f"{command} gets something that is not JSON") from None


def _line(refused: _Refused, yml: EjabberdYml | None) -> Correction:
    """Where the line belongs: into the option where there is one, else with the option's name."""
    if not refused.line:
        return {}
    option = yml.top.get(refused.at) if yml else None
    if refused.at == "api_permissions":
        if option and isinstance(option.value, dict):
            return {"line": refused.line, "place": (refused.at,), "where": option.where}
        return {"line": f"{refused.at}: {{{refused.line}}}"}
    return {"line": f"{refused.at}: [{refused.line}]"}


def _log_in(
    api: _Api,
    login: Login,
    running: EjabberdYml | None,
    version: tuple[int, int] | None,
    yml: EjabberdYml | None,
) -> Iterator[Finding]:
    if not (api.is_here or api.url.is_encrypted):
        yield warning(
            "api-plain-http",
            f"no login was tried at {api.url}: the password would cross the network in clear text",
            host=login.host,
        )
        return
    if _is_logged(api, running, version):
        yield warning(
            "api-password-logged",
            f"at loglevel info this ejabberd has now written the password of {login.jid} into its "
            "own log, as its mod_http_api does; take it out of there, or change it",
            line="hide_sensitive_log_data: true",
            host=login.host,
        )
    try:
        said = api.ask("check_password", user=login.user, host=login.host, password=login.password)
    except _Refused as refused:
        yield broken(
            "api-login-unknown",
            f"login of {login.jid}: {refused}",
            host=login.host,
            **_line(refused, yml),
        )
        return
    if said == 0 and said is not False:
        yield good("api-login", f"ejabberd lets {login.jid} in (check_password)", host=login.host)
    else:
        yield broken(
            "api-login-refused",
            f"ejabberd does not let {login.jid} in (check_password)",
            host=login.host,
        )


def _is_logged(api: _Api, running: EjabberdYml | None, version: tuple[int, int] | None) -> bool:
    """Whether ejabberd writes the arguments of ``check_password`` into its log as they are; as
    seen on 23.01, 24.12 and 26.07."""
    hides = running.top.get("hide_sensitive_log_data") if running else None
    if hides:
        return hides.plain is not True and not _is_quiet(api)
    return not (version and version >= HIDES) and not _is_quiet(api)


def _is_quiet(api: _Api) -> bool:
    try:
        said = api.ask("get_loglevel")
    except _Refused:
        return False
    level = said.get("levelatom") if isinstance(said, dict) else said  # 23.01, later ones
    return str(level) in QUIET_LEVELS


def _dumped(api: _Api, account: Account) -> EjabberdYml:
    """What ejabberd runs with: ``dump_config`` writes that into a file, of which its answer does
    not tell whether it could be written.

    The folder is made, read and removed as ejabberd's account: where that one may write, root
    must not. Its home comes first, as ``/tmp`` may be another one for ejabberd (PrivateTmp).
    """
    if not api.is_here:
        raise _Refused("it would be written on another machine")
    for place in (account.home, tempfile.gettempdir()):
        made = account.run("mktemp", "-d", f"{place}/extauth-check-XXXXXXXXXX")
        if made is None:
            continue
        folder = made.decode().strip()
        try:
            api.ask("dump_config", out=f"{folder}/running.yml")
            dumped = account.run("head", "-c", "10000000", f"{folder}/running.yml")
        finally:
            account.run("rm", "-rf", folder)
        if dumped:
            with tempfile.NamedTemporaryFile(prefix="extauth-check-", suffix=".yml") as file:
                file.write(dumped)
                file.flush()
                return EjabberdYml(Path(file.name))
    raise _Refused(
        f"ejabberd could write it to no folder that {account.runs_as} can read; run this as root, "
        "or as ejabberd's account"
    )


def compared(running: EjabberdYml, yml: EjabberdYml) -> Iterator[Finding]:
    """What a running ejabberd has otherwise than its file."""
    same = True
    for host in yml.hosts:
        if host not in running.hosts:
            same = False
            yield broken(
                "api-host-missing",
                f"the running ejabberd has no host {host}: the file was changed since",
                line="ejabberdctl reload_config",
                host=host,
            )
            continue
        for name in COMPARED:
            theirs, ours = (_said(each, host, name) for each in (running, yml))
            if theirs == ours:
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
    option = yml.option(host, name)
    if option is None and name == "extauth_pool_size":
        option = yml.option(host, "extauth_instances")
    if option is None:
        return "(not set)"
    return json.dumps(option.value.words if name == "auth_method" else option.value.plain)
