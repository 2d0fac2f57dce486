"""The proxies that the environment names, for who sets ``trust_env``."""

from base64 import b64encode
from dataclasses import dataclass, field

import httpx

from extauth_http.config.endpoint import Origin
from extauth_http.http.connection import Connection, NoResponseError
from extauth_http.http.request import serialize_request
from extauth_http.http.response_parser import Headers
from extauth_http.protocol.verdict import UndecidedError


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that the environment names; ``headers`` are what it alone is told."""

    host: str
    port: int
    headers: Headers = field(repr=False)


def environment_proxy(origin: Origin) -> Proxy | None:
    """Raises Undecided (``proxy``) where what the environment names cannot be used."""
    from urllib.request import getproxies, proxy_bypass

    if proxy_bypass(origin.host.decode()):
        return None
    proxies = getproxies()
    url = proxies.get(origin.scheme.decode()) or proxies.get("all")
    if not url:
        return None
    try:
        named = httpx.URL(url)
    except httpx.InvalidURL:
        raise UndecidedError("proxy", "what the environment names as a proxy is no URL") from None
    if named.scheme != "http" or not named.host:
        raise UndecidedError("proxy", "a proxy is used over http:// only")
    pair = f"{named.username}:{named.password}".encode()
    headers = ((b"Proxy-Authorization", b"Basic " + b64encode(pair)),) if named.userinfo else ()
    return Proxy(named.host, named.port or 80, headers)


def tunnel(line: Connection, origin: Origin, proxy: Proxy) -> None:
    """Makes a line through a proxy one to ``origin`` (RFC 9110 section 9.3.6)."""
    host = b"[%s]" % origin.host if b":" in origin.host else origin.host
    target = b"%s:%d" % (host, origin.port)
    request = serialize_request(b"CONNECT", target, [(b"Host", target), *proxy.headers], b"")
    try:
        status = line.ask(request, head_only=True).status
    except NoResponseError:
        raise UndecidedError("proxy", "the proxy closed the connection") from None
    if not 200 <= status < 300:
        raise UndecidedError("proxy", f"the proxy refused with status {status}")
