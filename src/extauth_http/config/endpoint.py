"""The URL of a service, parsed when the configuration is read."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, NamedTuple
from urllib.parse import unquote, urlencode

from pydantic import BeforeValidator, PlainSerializer
from pydantic_core import Url as ParsedUrl

_WITH_HOST = re.compile(r"https?://[^/?#]", re.IGNORECASE)
_WITH_SOCKET = re.compile(r"http\+unix://[^/?#]", re.IGNORECASE)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LOOPBACK = (b"localhost", b"::1", b"[::1]")
_SOCKET_FORM = (
    "expected the percent-encoded absolute path of a socket, such as "
    "http+unix://%2Frun%2Fapp.sock/path"
)
_MAX_SOCKET_PATH = 107
"""Bytes of the path of a Unix socket (unix(7))."""


class Origin(NamedTuple):
    """Scheme, host and port: what a connection leads to. ``host`` is in ASCII (IDNA).

    For a Unix socket the scheme is ``http+unix``, the host is the percent-encoded path of the
    socket, and the port is 0.
    """

    scheme: bytes
    host: bytes
    port: int

    @property
    def socket_path(self) -> str | None:
        """The path of a Unix socket; None for TCP."""
        return unquote(self.host.decode()) if self.scheme == b"http+unix" else None

    def __str__(self) -> str:
        if self.socket_path:
            return f"{self.scheme.decode()}://{self.host.decode()}"
        host = self.host.decode()
        return f"{self.scheme.decode()}://{f'[{host}]' if ':' in host else host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a request goes. ``target`` is path and query as they are sent, percent-encoded.

    ``standby`` are the endpoints to try in this order if nothing answers here.
    """

    origin: Origin
    host_header: bytes
    target: bytes
    standby: tuple["Endpoint", ...] = ()

    @classmethod
    def parse(cls, url: str, *, unix: bool = False) -> "Endpoint":
        """Parses a URL by the WHATWG URL Standard.

        With ``unix``, the URL may name a Unix socket: ``http+unix://%2Frun%2Fapp.sock/path``. Only
        a URL of the configuration may: a document from the network must not choose a socket.

        Raises ValueError if this is not an absolute http or https URL, or holds credentials. The
        standard drops control characters and accepts "http:host" and backslashes. Those are errors
        here.
        """
        has_socket = unix and _WITH_SOCKET.match(url)
        if unix and not has_socket and url.lower().startswith("http+unix:"):
            raise ValueError(_SOCKET_FORM)
        if not has_socket and not _WITH_HOST.match(url):
            raise ValueError("expected a URL that starts with http:// or https:// and names a host")
        try:
            if not url.isprintable() or "\\" in url:
                raise ValueError
            parsed = ParsedUrl(url)
        except ValueError:
            # The text of the parser quotes a part of the URL, which may be a password.
            raise ValueError("expected a URL; this one cannot be parsed") from None
        if parsed.username or parsed.password:
            raise ValueError("expected a URL without user and password; use service_auth")
        host, port = parsed.host or "", parsed.port
        if has_socket:
            return cls(_socket_origin(host, port), b"localhost", _target(parsed))
        if not port:
            raise ValueError("expected a port from 1 to 65535")
        header = host if port == _DEFAULT_PORTS[parsed.scheme] else f"{host}:{port}"
        origin = Origin(parsed.scheme.encode(), host.strip("[]").encode(), port)
        return cls(origin, header.encode(), _target(parsed))

    def below(self, path: str) -> "Endpoint":
        """The endpoint at a percent-encoded path below this one, with the same query."""
        before, mark, query = self.target.partition(b"?")
        target = before.rstrip(b"/") + b"/" + path.lstrip("/").encode() + mark + query
        standby = tuple([each.below(path) for each in self.standby]) if self.standby else ()
        return Endpoint(self.origin, self.host_header, target, standby)

    def with_query(self, query: Mapping[str, str]) -> "Endpoint":
        """The endpoint with fields added to its query."""
        mark = b"&" if b"?" in self.target else b"?"
        target = self.target + mark + urlencode(query).encode()
        standby = tuple([each.with_query(query) for each in self.standby]) if self.standby else ()
        return Endpoint(self.origin, self.host_header, target, standby)

    @property
    def url(self) -> str:
        """The whole URL. Its query may hold a credential: never write it to a log."""
        return f"{self.base}{self.target.decode()}"

    @property
    def base(self) -> str:
        """The URL without path and query."""
        authority = self.origin.host if self.origin.socket_path else self.host_header
        return f"{self.origin.scheme.decode()}://{authority.decode()}"

    @property
    def is_encrypted(self) -> bool:
        return self.origin.scheme == b"https"

    @property
    def is_exposed(self) -> bool:
        """Whether others on the network can read what is sent: http to another machine."""
        is_local = self.origin.socket_path is not None or is_loopback(self.origin.host)
        return not (self.is_encrypted or is_local)

    def __str__(self) -> str:
        """The URL for logs and messages: without the query, which may hold a credential."""
        return f"{self.base}{self.target.partition(b'?')[0].decode()}"

    __repr__ = __str__


def is_loopback(host: bytes) -> bool:
    """Whether a host name or address always means this machine."""
    return host in _LOOPBACK or (host.startswith(b"127.") and host.replace(b".", b"").isdigit())


def _target(parsed: ParsedUrl) -> bytes:
    query = "" if parsed.query is None else f"?{parsed.query}"
    return f"{parsed.path or '/'}{query}".encode()


def _socket_origin(host: str, port: int | None) -> Origin:
    path = unquote(host, errors="strict")
    is_path = path.startswith("/") and path.isprintable() and not path.endswith("/")
    if port is not None or not is_path:
        raise ValueError(_SOCKET_FORM)
    if len(path.encode()) > _MAX_SOCKET_PATH:
        raise ValueError(f"expected a path of a socket with at most {_MAX_SOCKET_PATH} bytes")
    return Origin(b"http+unix", host.encode(), 0)


def _endpoint(url: object) -> Endpoint:
    if isinstance(url, Endpoint):
        return url
    if not isinstance(url, str):
        raise ValueError("expected a URL")
    return Endpoint.parse(url)


def _service_endpoint(url: object) -> Endpoint:
    return Endpoint.parse(url, unix=True) if isinstance(url, str) else _endpoint(url)


Url = Annotated[Endpoint, BeforeValidator(_service_endpoint), PlainSerializer(str)]
"""A setting that is the http or https URL of a service, or a Unix socket of this machine. Its type
is Endpoint."""

NetworkUrl = Annotated[Endpoint, BeforeValidator(_endpoint), PlainSerializer(str)]
"""A setting that is an http or https URL. Its type is Endpoint."""
