"""Ways in that never ask the program, and listeners on which a password can be overheard."""

from collections.abc import Iterator
from ipaddress import ip_address

from extauth_http.check.ejabberd_yml import EjabberdYml, Value
from extauth_http.check.finding import Finding, good, warning

HTTP_LOGINS = ("ejabberd_http_ws", "mod_bosh")


def of_host(yml: EjabberdYml, host: str) -> Iterator[Finding]:
    """Modules of this host that let somebody in by themselves."""
    fast = yml.modules(host).get("mod_auth_fast")
    if fast:
        yield warning(
            "mod-auth-fast",
            "mod_auth_fast (XEP-0484) gives each client a token of ejabberd's own: it logs in "
            "with that, also after its credential was revoked, until the token expires; take the "
            "module out, or keep it if that is acceptable",
            where=fast.where,
            host=host,
            place=("modules", "mod_auth_fast"),
        )


def of_listeners(yml: EjabberdYml) -> Iterator[Finding]:
    """Every listener that takes logins: its TLS, and whether it takes client certificates."""
    seen_open = False
    for index, listener in yml.listeners():
        found = list(_of_listener(index, listener))
        seen_open = seen_open or any(each.id.startswith("listener-") for each in found)
        yield from found
    if not seen_open:
        yield good("listeners", "no listener takes a password in clear text from another machine")


def _of_listener(index: int, listener: Value) -> Iterator[Finding]:
    module = str(_plain(listener, "module"))
    port = _plain(listener, "port")
    place = ("listen", index)
    if module == "ejabberd_c2s" and _is_on(listener, "tls_verify"):
        yield warning(
            "client-certificates",
            f"port {port} takes client certificates (SASL EXTERNAL): who shows one gets in without "
            "a password; the program is at most asked whether the user exists",
            line="tls_verify: false",
            place=place,
            where=_where(listener, "tls_verify"),
        )
    if _is_on(listener, "tls") or _is_local(listener):
        return
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
    return _plain(listener, key) is True


def _where(listener: Value, key: str) -> str:
    found = listener.get(key)
    return found.where if found else listener.where


def _is_local(listener: Value) -> bool:
    """Whether only this machine reaches it: a loopback address or a Unix socket."""
    address = str(_plain(listener, "ip") or "::")
    port = str(_plain(listener, "port"))
    try:
        return ip_address(address).is_loopback or port.startswith("unix:")
    except ValueError:
        return port.startswith("unix:")
