"""Who and what is meant: USER@HOST and ROOM@SERVICE, as ejabberd compares them."""

from dataclasses import dataclass
from typing import Self

from extauth_http.protocol.preparation import nodeprep

_FORBIDDEN = frozenset("\"&'/:<>@ ")
_MAX_BYTES = 1023


@dataclass(frozen=True, slots=True, order=True)
class Jid:
    """A bare JID (RFC 7622 section 3): a user of a host, or a room of a service."""

    user: str
    host: str

    @classmethod
    def parse(cls, text: str, kind: str = "USER@HOST") -> Self:
        """Raises ValueError, which says what was expected, for what is no bare JID."""
        user, at, host = text.strip().partition("@")
        # nameprep, of a host, maps and normalises as nodeprep does.
        user, host = nodeprep(user), nodeprep(host).rstrip(".")
        if "/" in host:
            raise ValueError(f"expected {kind} without a resource, not {text!r}")
        if not (user and at and host) or not _is_part(user) or not _is_part(host):
            raise ValueError(f"expected {kind}, not {text!r}")
        return cls(user, host)

    def __str__(self) -> str:
        return f"{self.user}@{self.host}"


def _is_part(text: str) -> bool:
    fits = len(text.encode(errors="replace")) <= _MAX_BYTES
    return fits and text.isprintable() and _FORBIDDEN.isdisjoint(text)


def bare(full: str) -> str:
    """A full JID without its resource, to be compared with ``str`` of a Jid."""
    return nodeprep(full.partition("/")[0])
