"""The account for ``check --api``: that of the ``[ejabberd]`` table, if the URL is the same server.

The credentials of the table belong to the server that its ``api`` names. They are never sent to
another server, or over plain HTTP to another machine.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from extauth_http.check.finding import Finding, good, warning
from extauth_http.config.ejabberd import EjabberdSettings, NoEjabberdTableError, load_ejabberd
from extauth_http.config.endpoint import Endpoint, is_loopback
from extauth_http.config.loader import ConfigError
from extauth_http.config.service_auth import Basic
from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.ejabberd_api.errors import ApiError


def open_api(url: Endpoint, config: Path | None) -> tuple[ApiClient, list[Finding]]:
    """The client for a URL, and the findings about the account it uses.

    ``config`` is the configuration file, None for the environment alone.
    """
    settings, found = _settings(url, config)
    try:
        return ApiClient(settings), found
    except ApiError as error:
        return ApiClient(_without_account(url)), [_unusable(error.message)]


def _settings(url: Endpoint, config: Path | None) -> tuple[EjabberdSettings, list[Finding]]:
    try:
        configured = load_ejabberd(config)
    except NoEjabberdTableError:
        return _without_account(url), []
    except ConfigError as error:
        is_missing = config is not None and not os.path.exists(config)  # noqa: PTH110 - no errors
        return _without_account(url), [] if is_missing else [_unusable(str(error))]
    if configured.service_auth is None and not configured.tls.is_set:
        return _without_account(url), []
    if not _is_same_server(url, configured.api):
        problem = f"it is for {configured.api}, another server"
        return _without_account(url), [_unusable(problem)]
    if configured.service_auth and url.is_exposed:
        problem = "its credentials would cross the network in clear text"
        return _without_account(url), [_unusable(problem)]
    return configured.model_copy(update={"api": url}), list(_used(configured))


def _without_account(url: Endpoint) -> EjabberdSettings:
    return EjabberdSettings(api=url)


def _is_same_server(one: Endpoint, other: Endpoint) -> bool:
    """Two names of this machine with the same port are the same server."""
    if one.origin == other.origin:
        return True
    are_local = is_loopback(one.origin.host) and is_loopback(other.origin.host)
    return are_local and one.origin._replace(host=b"") == other.origin._replace(host=b"")


def _used(configured: EjabberdSettings) -> Iterator[Finding]:
    account = configured.service_auth
    if isinstance(account, Basic):
        yield good("api-account", f"calls use the account {account.username} of [ejabberd]")
    elif account:
        yield good("api-account", f"calls use the {account.kind} of [ejabberd.service_auth]")
    else:
        yield good("api-account", "calls use no account, and the TLS files of [ejabberd]")


def _unusable(problem: str) -> Finding:
    return warning(
        "api-account-unused",
        f"calls use no account: the [ejabberd] table is not used ({problem})",
    )
