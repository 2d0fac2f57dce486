"""The URL of a service, parsed when the configuration is read."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, NamedTuple
from urllib.parse import urlencode

from pydantic import BeforeValidator, PlainSerializer
from pydantic_core import Url as ParsedUrl

_WITH_HOST = re.compile(r"https?://[^/?#]", re.IGNORECASE)
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """Scheme, host and port: what a connection leads to. ``host`` is in ASCII (IDNA)."""

    scheme: bytes
    host: bytes
    port: int


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a request goes. ``target`` is path and query as they are sent, percent-encoded."""

    origin: Origin
    host_header: bytes
    target: bytes

    @classmethod
    def parse(cls, url: str) -> "Endpoint":
        """Parses a URL by the WHATWG URL Standard.

        Raises ValueError if this is not an absolute http or https URL, or holds credentials. The
        standard drops control characters and accepts "http:host" and backslashes. Those are errors
        here.
        """
        if not _WITH_HOST.match(url):
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
        if not port:
            raise ValueError("expected a port from 1 to 65535")
        header = host if port == _DEFAULT_PORTS[parsed.scheme] else f"{host}:{port}"
        target = parsed.path or "/"
        if parsed.query is not None:
            target += f"?{parsed.query}"
        origin = Origin(parsed.scheme.encode(), host.strip("[]").encode(), port)
        return cls(origin, header.encode(), target.encode())

    def below(self, path: str) -> "Endpoint":
        """The endpoint at a percent-encoded path below this one, with the same query."""
        before, mark, query = self.target.partition(b"?")
        target = before.rstrip(b"/") + b"/" + path.lstrip("/").encode() + mark + query
        return Endpoint(self.origin, self.host_header, target)

    def with_query(self, query: Mapping[str, str]) -> "Endpoint":
        """The endpoint with fields added to its query."""
        mark = b"&" if b"?" in self.target else b"?"
        target = self.target + mark + urlencode(query).encode()
        return Endpoint(self.origin, self.host_header, target)

    @property
    def url(self) -> str:
        """The whole URL. Its query may hold a credential: never write it to a log."""
        return (self.origin.scheme + b"://" + self.host_header + self.target).decode()

    @property
    def is_encrypted(self) -> bool:
        return self.origin.scheme == b"https"

    def __str__(self) -> str:
        """The URL for logs and messages: without the query, which may hold a credential."""
        return (
            f"{self.origin.scheme.decode()}://{self.host_header.decode()}"
            f"{self.target.partition(b'?')[0].decode()}"
        )

    __repr__ = __str__


def _endpoint(url: object) -> Endpoint:
    if isinstance(url, Endpoint):
        return url
    if not isinstance(url, str):
        raise ValueError("expected a URL")
    return Endpoint.parse(url)


Url = Annotated[Endpoint, BeforeValidator(_endpoint), PlainSerializer(str)]
"""A setting that is an http or https URL. Its type is Endpoint."""
