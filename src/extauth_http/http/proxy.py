"""The proxies that the environment names, for backends with ``trust_env = true``."""

from base64 import b64encode
from dataclasses import dataclass, field

from extauth_http.config.endpoint import Origin
from extauth_http.http.deadline_connection import Connection, NoResponseError
from extauth_http.http.failure import RequestFailedError, Step
from extauth_http.http.request import serialize_request
from extauth_http.http.response_parser import RawHeaders


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy; ``headers`` hold its credentials and are sent to nothing else."""

    host: str
    port: int
    headers: RawHeaders = field(repr=False)


def environment_proxy(origin: Origin) -> Proxy | None:
    """The proxy that the environment names for an origin, if any. A Unix socket has none.

    Raises RequestFailedError (``proxy``) if the proxy cannot be used.
    """
    if origin.socket_path:
        return None
    from urllib.request import getproxies, proxy_bypass

    import httpx

    if proxy_bypass(origin.host.decode()):
        return None
    proxies = getproxies()
    url = proxies.get(origin.scheme.decode()) or proxies.get("all")
    if not url:
        return None
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        raise _failed("the environment names a proxy that is not a URL") from None
    if parsed.scheme != "http" or not parsed.host:
        raise _failed("a proxy is used over http:// only")
    pair = f"{parsed.username}:{parsed.password}".encode()
    headers = ((b"Proxy-Authorization", b"Basic " + b64encode(pair)),) if parsed.userinfo else ()
    return Proxy(parsed.host, parsed.port or 80, headers)


def open_tunnel(connection: Connection, origin: Origin, proxy: Proxy) -> None:
    """Turns a connection to a proxy into a connection to ``origin`` (RFC 9110 section 9.3.6).

    Raises RequestFailedError: ``proxy``, or the reason for which the proxy sent no usable response.
    """
    host = b"[%s]" % origin.host if b":" in origin.host else origin.host
    target = b"%s:%d" % (host, origin.port)
    request = serialize_request(b"CONNECT", target, [(b"Host", target), *proxy.headers], b"")
    try:
        status = connection.send(request, head_only=True).status
    except NoResponseError:
        raise _failed("the proxy closed the connection") from None
    except RequestFailedError as error:
        # Only the proxy has received something.
        raise RequestFailedError(error.reason, error.detail, Step.CONNECT) from None
    if not 200 <= status < 300:
        raise _failed(f"the proxy refused with status {status}")


def _failed(detail: str) -> RequestFailedError:
    return RequestFailedError("proxy", detail, Step.CONNECT)
