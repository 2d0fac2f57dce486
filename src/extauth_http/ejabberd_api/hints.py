"""Configuration hints: what an operator can change after a call failed, with the options to write.

The options are true for ejabberd 23.01, 24.12 and 26.07. ``ejabberd_access_permissions`` is the
module that decides who may call a command:

- ``who: access`` matches an account only when it logs in with its password. An OAuth token needs
  ``who: oauth``.
- Newer releases (26.07) also require that an account passes the access rule ``configure`` of the
  host that a command names. Callers without an account do not need it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from extauth_http.config.endpoint import Endpoint, is_loopback
from extauth_http.config.service_auth import Basic, Bearer, StaticServiceAuth
from extauth_http.http.failure import RequestFailedError, Step

CHECK_COMMANDS = ("status", "get_loglevel", "check_password", "dump_config")
"""The commands that ``extauth-http check`` calls. They change no user and no room, so the address
of the caller is enough to allow them."""

EXAMPLE_ACCOUNT = "admin@example.org"

MODULES = {
    "mod_muc_admin": ("room", "muc", "invitation", "subscribers"),
    "mod_admin_extra": (
        *("kick_session", "send_message", "send_stanza", "user_sessions_info", "check_account"),
    ),
}
"""ejabberd modules, each with words in the names of its commands."""


@dataclass(frozen=True, slots=True)
class Hint:
    """What the operator can change: ``text`` is a clause, ``options`` are top-level options that
    belong into ejabberd.yml, with their values."""

    text: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.text}:\n\n{to_yaml(self.options)}" if self.options else self.text


def to_yaml(value: Any) -> str:
    """YAML in block style, without the last line end."""
    import yaml

    text: str = yaml.safe_dump(dict(value), sort_keys=False, default_flow_style=False)
    return text.rstrip("\n")


def not_answered(failure: RequestFailedError, url: Endpoint) -> Hint | None:
    """The hint for a call that has no usable response; None if the cause is unknown."""
    match failure.reason, failure.step:
        case "bad_request", _:
            return Hint("check the values in [ejabberd.service_auth]")
        case "bad_http", _:
            return not_the_api(url)
        case "name_not_found", _:
            return Hint("check the host name in the URL of the API")
        case "tls", step:
            return _tls(failure.detail, step)
        case _, Step.CONNECT:
            return Hint("if ejabberd is running, add the API to ejabberd.yml", _listener(url))
    return None


def _tls(detail: str, step: Step) -> Hint:
    detail = detail.lower()
    if "mismatch" in detail:
        return Hint("use the host name as the certificate names it in the URL of the API")
    if "expired" in detail:
        return Hint("renew the certificate of the server")
    if step is Step.RECEIVE or "handshake_failure" in detail:
        return Hint("the server requires a client certificate: set client_cert in [ejabberd.tls]")
    if "certificate" in detail:
        return Hint("set ca_file in [ejabberd.tls] to the certificates of its authority")
    return Hint("the server does not use TLS on this port, or not the version of this machine")


def not_the_api(url: Endpoint) -> Hint:
    """The hint for a response that is not from ``mod_http_api``."""
    return Hint(
        "use the path that request_handlers gives to mod_http_api, or add the API to ejabberd.yml",
        _listener(url),
    )


def refused(command: str, status: int, account: StaticServiceAuth | None) -> Hint | None:
    """The hint for a call that ejabberd refused with an HTTP status."""
    if status == httpx.codes.UNAUTHORIZED and account:
        return Hint("ejabberd rejects the account or token in [ejabberd.service_auth]")
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        caller = "the account" if account else "a caller without an account"
        todo = "allow it in ejabberd.yml"
        if account is None and command not in CHECK_COMMANDS:
            todo = f"set an account in [ejabberd.service_auth] and {todo}"
        text = f"{caller} may not call this command; {todo}"
        return Hint(text, _permission(command, account))
    if status == httpx.codes.NOT_FOUND:
        for module, words in MODULES.items():
            if any(word in command for word in words):
                text = f"the command belongs to {module}; enable the module in ejabberd.yml"
                return Hint(text, {"modules": {module: {}}})
    return None


def _listener(url: Endpoint) -> dict[str, Any]:
    """A listener that serves the API at ``/api`` on the port of a URL."""
    listener: dict[str, Any] = {"port": url.origin.port}
    if is_loopback(url.origin.host):
        listener["ip"] = "127.0.0.1"
    listener["module"] = "ejabberd_http"
    if url.is_encrypted:
        listener["tls"] = True
    listener["request_handlers"] = {"/api": "mod_http_api"}
    return {"listen": [listener]}


def _permission(command: str, account: StaticServiceAuth | None) -> dict[str, Any]:
    """The options that allow a caller to call a command."""
    if account is None and command in CHECK_COMMANDS:
        who: dict[str, Any] = {"ip": ["127.0.0.1/8", "::1/128"]}
        what = list(CHECK_COMMANDS)
        rule = {"from": "mod_http_api", "who": who, "what": what}
        return {"api_permissions": {"extauth-http check": rule}}

    def is_account() -> dict[str, Any]:  # a new one each time: YAML names the same object twice
        jid = account.username if isinstance(account, Basic) else EXAMPLE_ACCOUNT
        return {"allow": [{"user": jid}]}

    who = {"access": is_account()}
    if isinstance(account, Bearer):
        who = {"oauth": {"scope": "ejabberd:admin", "access": is_account()}}
    return {
        "api_permissions": {"extauth-http": {"from": "mod_http_api", "who": who, "what": "*"}},
        "access_rules": {"configure": is_account()},
    }
