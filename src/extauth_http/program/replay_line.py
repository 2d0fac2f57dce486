"""One line of a text file of commands, as ``replay`` and ``--debug`` read it.

A line is ``operation:user:host[:password]``, as in a packet, and may end with the expected verdict:
``=> allow``, ``=> deny`` or ``=> undecided``. Empty lines and lines that begin with ``#`` are
ignored.
"""

import re
from dataclasses import dataclass, field

from extauth_http.protocol.verdict import Verdict

_EXPECTATION = re.compile(r"\s+=>\s*(allow|deny|undecided)\s*$")


@dataclass(frozen=True, slots=True)
class ReplayLine:
    """One command. ``packet`` has no length prefix and may hold a password: ``repr`` omits it.

    ``expected`` is None if the line has no expectation.
    """

    packet: bytes = field(repr=False)
    expected: Verdict | None


def parse_line(line: str) -> ReplayLine | None:
    """Parses one line. Returns None for an empty line and for a comment.

    The line was decoded with ``errors="surrogateescape"``, so bytes that are not UTF-8 reach the
    packet unchanged.
    """
    text = line.strip("\r\n")
    if not text.strip() or text.lstrip().startswith("#"):
        return None
    found = _EXPECTATION.search(text)
    command = text[: found.start()] if found else text
    packet = command.lstrip().encode(errors="surrogateescape")
    return ReplayLine(packet, Verdict(found[1]) if found else None)
