"""Listeners that accept logins: passwords without TLS, and client certificates."""

from collections.abc import Iterator
from ipaddress import IPv6Address, ip_address

from extauth_http.check.ejabberd_yml.parser import EjabberdYml
from extauth_http.check.ejabberd_yml.yaml_values import Value
from extauth_http.check.finding import Finding, good, warning

HTTP_LOGINS = ("ejabberd_http_ws", "mod_bosh", "mod_mqtt")
"""Request handlers of ``ejabberd_http`` that accept logins."""


def findings(yml: EjabberdYml) -> Iterator[Finding]:
    are_all_protected = True
    accepts_external = not all(_disables_external(yml, host) for host in yml.checked_hosts)
    for index, listener in yml.listeners():
        if accepts_external:
            yield from _client_certificates(index, listener)
        unprotected = list(_without_tls(index, listener))
        are_all_protected = are_all_protected and not unprotected
        yield from unprotected
    if are_all_protected:
        yield good("listeners", "no listener accepts a password without TLS from another machine")


def _disables_external(yml: EjabberdYml, host: str) -> bool:
    option = yml.option(host, "disable_sasl_mechanisms")
    return option is not None and "EXTERNAL" in [word.upper() for word in option.value.words]


def _client_certificates(index: int, listener: Value) -> Iterator[Finding]:
    if _plain(listener, "module") == "ejabberd_c2s" and _is_on(listener, "tls_verify"):
        yield warning(
            "client-certificates",
            f"port {_plain(listener, 'port')} accepts client certificates (SASL EXTERNAL): a "
            "client with a certificate for a JID is logged in. ejabberd does not even ask the "
            "program whether that user exists",
            line="tls_verify: false",
            place=("listen", index),
            where=_where(listener, "tls_verify"),
            details=("or add EXTERNAL to disable_sasl_mechanisms of each host",),
        )


def _without_tls(index: int, listener: Value) -> Iterator[Finding]:
    if _is_on(listener, "tls") or _is_local(listener):
        return
    module = _plain(listener, "module")
    port = _plain(listener, "port")
    place = ("listen", index)
    if module == "ejabberd_c2s" and not _is_on(listener, "starttls_required"):
        yield warning(
            "listener-plain",
            f"port {port} accepts PLAIN without TLS: passwords cross the network in clear text",
            line="starttls_required: true",
            place=place,
            where=_where(listener, "starttls_required"),
        )
    handlers = _login_handlers(listener)
    if module == "ejabberd_http" and handlers:
        yield warning(
            "listener-http",
            f"port {port} accepts logins over plain http: {', '.join(handlers)}",
            line="tls: true",
            place=place,
            where=_where(listener, "tls"),
        )
    if module == "mod_mqtt":
        yield warning(
            "listener-mqtt",
            f"port {port} accepts MQTT logins without TLS: passwords cross the network in clear "
            "text",
            line="tls: true",
            place=place,
            where=_where(listener, "tls"),
        )


def accepts_logins(listener: Value) -> bool:
    """Whether clients can log in at a listener."""
    module = _plain(listener, "module")
    is_http = module == "ejabberd_http" and bool(_login_handlers(listener))
    return is_http or module in ("ejabberd_c2s", "mod_mqtt")


def _login_handlers(listener: Value) -> list[str]:
    handlers = listener.get("request_handlers")
    return [
        f"{path} ({module.plain})"
        for path, module in (handlers.items() if handlers else [])
        if module.plain in HTTP_LOGINS
    ]


def _plain(listener: Value, key: str) -> object:
    value = listener.get(key)
    return value.plain if value else None


def _is_on(listener: Value, key: str) -> bool:
    value = listener.get(key)
    return value is not None and value.boolean is True


def _where(listener: Value, key: str) -> str:
    value = listener.get(key)
    return value.where if value else listener.where


def _is_local(listener: Value) -> bool:
    """Whether only this machine can connect: a loopback address or a Unix domain socket."""
    if str(_plain(listener, "port")).startswith("unix:"):
        return True
    try:
        address = ip_address(str(_plain(listener, "ip") or "::"))
    except ValueError:
        return False
    # Python before 3.13 does not look inside of ::ffff:127.0.0.1.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback
