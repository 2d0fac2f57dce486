"""The URL of a service, parsed when the configuration is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, NamedTuple
from urllib.parse import urlencode

import httpx
from pydantic import BeforeValidator, PlainSerializer


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
        """Raises ValueError if this is not an absolute http or https URL, or holds credentials."""
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL:
            # The text of httpx quotes a part of the URL: "pass" of http://u:pass/word@host.
            raise ValueError("expected a URL; this one cannot be parsed") from None
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise ValueError("expected a URL that starts with http:// or https:// and names a host")
        if parsed.userinfo:
            raise ValueError("expected a URL without user and password; use service_auth")
        port = parsed.port or (443 if parsed.scheme == "https" else 80)
        return cls(
            Origin(parsed.raw_scheme, parsed.raw_host, port),
            parsed.netloc,
            parsed.raw_path,
        )

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
