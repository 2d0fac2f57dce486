"""Bare JIDs, prepared as ejabberd prepares them before it compares them."""

from dataclasses import dataclass
from typing import Self

from extauth_http.protocol.preparation import nodeprep

_FORBIDDEN = frozenset("\"&'/:<>@ ")
_MAX_BYTES = 1023


@dataclass(frozen=True, slots=True, order=True)
class Jid:
    """A bare JID (RFC 7622, section 3).

    ``user`` is the local part: the name of a user or a room. ``host`` is the domain part.
    """

    user: str
    host: str

    @classmethod
    def parse(cls, text: str, kind: str = "USER@HOST") -> Self:
        """Parses a bare JID. ``kind`` is the form that the text of the ValueError names."""
        user, at, host = text.strip().partition("@")
        # nameprep maps and normalises a host in the same way (RFC 3491, sections 3 and 4).
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
    """Returns a full JID without its resource. Compare it with ``str`` of a ``Jid``."""
    return nodeprep(full.partition("/")[0])
