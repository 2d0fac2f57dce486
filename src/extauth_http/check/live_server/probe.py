"""Probes a running ejabberd through its admin API: its version, its options, and a login."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from extauth_http.check.account import Account
from extauth_http.check.ejabberd_yml.parser import EjabberdYml
from extauth_http.check.ejabberd_yml.yaml_values import EjabberdYmlError
from extauth_http.check.finding import Correction, Finding, broken, good, warning
from extauth_http.check.live_server.api_account import open_api
from extauth_http.check.live_server.running_options import NoDumpError, compare, dump_options
from extauth_http.check.login import Login
from extauth_http.config.endpoint import Endpoint
from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.ejabberd_api.errors import ApiError
from extauth_http.ejabberd_api.hints import to_yaml
from extauth_http.ejabberd_api.releases import (
    Release,
    parse_log_level,
    parse_release,
    parse_version,
)
from extauth_http.protocol.replies import Dialect

FIRST_WITH_UNDECIDED = Release(18, 6)
"""The first release that understands a third answer of the program."""

FIRST_THAT_HIDES_PASSWORDS = Release(26, 3)
"""The first release that never logs passwords of API calls, according to its changelog. 24.12 logs
them, 26.07 does not, whatever ``hide_sensitive_log_data`` is."""

QUIET_LEVELS = {"none", "emergency", "alert", "critical", "error", "warning", "notice"}
"""Log levels at which ejabberd does not log API calls."""


def findings(
    url: Endpoint,
    config: Path | None,
    yml: EjabberdYml | None,
    account: Account,
    login: Login | None,
    dialects: Collection[Dialect],
) -> Iterator[Finding]:
    """The findings about the ejabberd whose ``mod_http_api`` is at ``url``, for example
    http://127.0.0.1:5443/api.

    ``config`` is the configuration that may hold an account for the API. ``account`` is the one
    that ejabberd runs as. ``dialects`` are those of all configurations that were checked.
    """
    api, found = open_api(url, config)
    try:
        yield from found
        yield from probe(api, yml, account, login, dialects)
    finally:
        api.close()


def release(url: Endpoint, config: Path | None) -> Release | None:
    """The release of the ejabberd at ``url``; None if it is unknown. Only ``findings`` reports why
    it is."""
    api, _ = open_api(url, config)
    try:
        return parse_release(api.query("status"))
    except ApiError:
        return None
    finally:
        api.close()


def probe(
    api: ApiClient,
    yml: EjabberdYml | None,
    account: Account,
    login: Login | None,
    dialects: Collection[Dialect],
) -> Iterator[Finding]:
    """The findings of the calls that ``api`` makes."""
    try:
        status = api.query("status")
    except ApiError as error:
        yield broken("api", _problem(error), **_lines(error, yml))
        return
    release = parse_release(status)
    yield from _version(api, status, dialects)
    running = None
    try:
        running = dump_options(api, account)
    except (ApiError, EjabberdYmlError, NoDumpError) as error:
        if yml:
            yield warning(
                "api-options-unknown",
                "the options of the running ejabberd cannot be compared with the file: "
                f"{_problem(error)}",
                **_lines(error, yml),
            )
    if yml and running:
        yield from compare(running, yml)
    if login:
        yield from _try_login(api, login, running, release, yml)


def _version(api: ApiClient, status: Any, dialects: Collection[Dialect]) -> Iterator[Finding]:
    release = parse_release(status)
    if release is None:
        yield warning("api-version-unknown", f"{api.url} does not say its ejabberd version")
        return
    yield good("api-version", f"ejabberd {parse_version(status)} answers at {api.url}")
    if release < FIRST_WITH_UNDECIDED and Dialect.EJABBERD in dialects:
        yield broken(
            "api-dialect",
            f"ejabberd {release} knows only the answers 0 and 1",
            line='dialect = "boolean"',
        )


def _try_login(
    api: ApiClient,
    login: Login,
    running: EjabberdYml | None,
    release: Release | None,
    yml: EjabberdYml | None,
) -> Iterator[Finding]:
    url = api.settings.api
    if url.is_exposed:
        yield warning(
            "api-plain-http",
            f"no login was tried at {url}: the password would cross the network in clear text",
            host=login.host,
        )
        return
    if _logs_passwords(api, running, release):
        yield warning(
            "api-password-logged",
            f"no login of {login.jid} was tried: this ejabberd would write the password into its "
            "own log, because mod_http_api logs its calls at loglevel info. Add the option, reload "
            "ejabberd, and run this again",
            line="hide_sensitive_log_data: true",
            host=login.host,
        )
        return
    try:
        result = api.query(
            "check_password", user=login.user, host=login.host, password=login.password
        )
    except ApiError as error:
        yield broken(
            "api-login-unknown",
            f"login of {login.jid}: {_problem(error)}",
            host=login.host,
            **_lines(error, yml),
        )
        return
    if result == 0 and result is not False:
        yield good("api-login", f"ejabberd accepts {login.jid} (check_password)", host=login.host)
    else:
        yield broken(
            "api-login-refused",
            f"ejabberd refuses {login.jid} (check_password)",
            host=login.host,
        )


def _logs_passwords(api: ApiClient, running: EjabberdYml | None, release: Release | None) -> bool:
    """Whether ejabberd writes the arguments of ``check_password`` into its log, as observed on
    23.01, 24.12 and 26.07."""
    if release is not None and release >= FIRST_THAT_HIDES_PASSWORDS:
        return False
    hides = running.top.get("hide_sensitive_log_data") if running else None
    return not (hides and hides.plain is True) and not _is_quiet(api)


def _is_quiet(api: ApiClient) -> bool:
    try:
        return parse_log_level(api.query("get_loglevel")) in QUIET_LEVELS
    except ApiError:
        return False


def _problem(error: Exception) -> str:
    hint = error.hint if isinstance(error, ApiError) else None
    return f"{error}; {hint.text}" if hint else str(error)


def _lines(error: Exception, yml: EjabberdYml | None) -> Correction:
    """The fields of a finding that say what ejabberd.yml lacks: into an option that exists, or a
    new one."""
    hint = error.hint if isinstance(error, ApiError) else None
    if hint is None or not hint.options:
        return {}
    (name, value), *more = hint.options.items()
    option = yml.top.get(name) if yml else None
    if not (option and isinstance(option.value, dict) and isinstance(value, dict)):
        return {"line": to_yaml(hint.options)}
    return {
        "line": to_yaml(value),
        "place": (name,),
        "where": option.where,
        "details": ("and also:", *to_yaml(dict(more)).splitlines()) if more else (),
    }
