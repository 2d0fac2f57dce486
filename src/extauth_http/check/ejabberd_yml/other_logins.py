"""Ways in that never ask the program, and listeners on which a password can be overheard."""

from collections.abc import Iterator
from ipaddress import ip_address

from extauth_http.check.ejabberd_yml.parser import EjabberdYml
from extauth_http.check.ejabberd_yml.yaml_values import Value
from extauth_http.check.finding import Finding, good, warning

HTTP_LOGINS = ("ejabberd_http_ws", "mod_bosh", "mod_mqtt")
"""Handlers of ``ejabberd_http`` that take logins."""


def of_host(yml: EjabberdYml, host: str) -> Iterator[Finding]:
    """Modules of this host that let somebody in by themselves."""
    modules = yml.modules(host)
    fast = modules.get("mod_auth_fast")
    if fast:
        yield warning(
            "mod-auth-fast",
            "mod_auth_fast (XEP-0484) gives each client a token of ejabberd's own that it logs in "
            "with, and a new one when it asks: it gets in for as long as it comes back, its "
            "credential revoked or not, and disable_sasl_mechanisms does not change that",
            host=host,
            where=fast.value.where,
            details=(
                f"to close it: take mod_auth_fast out of {'.'.join(fast.place)}",
                "to keep it: ejabberdctl change_password takes a user's tokens away on 26.07; on "
                "24.12 it does not, and only one that is unused for token_lifetime, 30 days, ends",
            ),
        )
    oauth = yml.option(host, "oauth_access")
    if oauth and oauth.value.plain != "none" and "mod_mqtt" in modules:
        yield warning(
            "oauth-mqtt",
            "oauth_access lets users have OAuth tokens of ejabberd, and MQTT 5 takes them for a "
            "login without asking the program, whatever disable_sasl_mechanisms says",
            line="oauth_access: none",
            host=host,
            where=oauth.value.where,
            place=oauth.place,
        )


def of_listeners(yml: EjabberdYml) -> Iterator[Finding]:
    """Every listener that takes logins: its TLS, and whether it takes client certificates."""
    seen_open = False
    certificates = not all(_disables_external(yml, host) for host in yml.hosts)
    for index, listener in yml.listeners():
        if certificates:
            yield from _certificates(index, listener)
        found = list(_in_clear_text(index, listener))
        seen_open = seen_open or bool(found)
        yield from found
    if not seen_open:
        yield good("listeners", "no listener takes a password in clear text from another machine")


def _disables_external(yml: EjabberdYml, host: str) -> bool:
    option = yml.option(host, "disable_sasl_mechanisms")
    return option is not None and "EXTERNAL" in [word.upper() for word in option.value.words]


def _certificates(index: int, listener: Value) -> Iterator[Finding]:
    if _plain(listener, "module") == "ejabberd_c2s" and _is_on(listener, "tls_verify"):
        yield warning(
            "client-certificates",
            f"port {_plain(listener, 'port')} takes client certificates (SASL EXTERNAL): who shows "
            "one for a JID gets in, and the program is not even asked whether that user exists",
            line="tls_verify: false",
            place=("listen", index),
            where=_where(listener, "tls_verify"),
            details=("or, host by host, EXTERNAL in disable_sasl_mechanisms",),
        )


def _in_clear_text(index: int, listener: Value) -> Iterator[Finding]:
    if _is_on(listener, "tls") or _is_local(listener):
        return
    module = _plain(listener, "module")
    port = _plain(listener, "port")
    place = ("listen", index)
    if module == "ejabberd_c2s" and not _is_on(listener, "starttls_required"):
        yield warning(
            "listener-plain",
            f"port {port} takes PLAIN without TLS: passwords cross the network in clear text",
            line="starttls_required: true",
            place=place,
            where=_where(listener, "starttls_required"),
        )
    ways = [
        f"{path} ({handler.plain})"
        for path, handler in (listener.get("request_handlers") or Value({}, "")).items()
        if handler.plain in HTTP_LOGINS
    ]
    if module == "ejabberd_http" and ways:
        yield warning(
            "listener-http",
            f"port {port} takes logins over plain http: {', '.join(ways)}",
            line="tls: true",
            place=place,
            where=_where(listener, "tls"),
        )
    if module == "mod_mqtt":
        yield warning(
            "listener-mqtt",
            f"port {port} takes MQTT logins without TLS: passwords cross the network in clear text",
            line="tls: true",
            place=place,
            where=_where(listener, "tls"),
        )


def _plain(listener: Value, key: str) -> object:
    found = listener.get(key)
    return found.plain if found else None


def _is_on(listener: Value, key: str) -> bool:
    found = listener.get(key)
    return found is not None and found.truth is True


def _where(listener: Value, key: str) -> str:
    found = listener.get(key)
    return found.where if found else listener.where


def _is_local(listener: Value) -> bool:
    """Whether only this machine reaches it: a loopback address or a Unix socket."""
    if str(_plain(listener, "port")).startswith("unix:"):
        return True
    try:
        return ip_address(str(_plain(listener, "ip") or "::")).is_loopback
    except ValueError:
        return False
