"""The result of one check: how severe it is and the line that fixes it."""

from dataclasses import dataclass
from enum import IntEnum
from typing import TypedDict, Unpack


class Level(IntEnum):
    """How severe a finding is. The highest one is the exit code of ``check``."""

    GOOD = 0
    WARNING = 1
    BROKEN = 2

    @property
    def mark(self) -> str:
        """The character at the beginning of its line in the report."""
        return "✔!✘"[self]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    ``id`` is a word that operators may rely on. ``line`` is YAML, TOML or a command to copy.
    ``place`` is where a line of YAML belongs: keys and list indexes from the top of ejabberd.yml.
    ``where`` is FILE:LINE of the text that it replaces. ``host`` is the virtual host, empty for
    all of them.
    """

    id: str
    level: Level
    found: str
    line: str = ""
    place: tuple[str | int, ...] = ()
    where: str = ""
    host: str = ""
    details: tuple[str, ...] = ()


class Position(TypedDict, total=False):
    """Where in ejabberd.yml a finding belongs; see Finding."""

    place: tuple[str | int, ...]
    where: str


class Correction(Position, total=False):
    """What to change there; see Finding."""

    line: str
    details: tuple[str, ...]


class Fields(Correction, total=False):
    """All optional fields of a finding."""

    host: str


def good(identity: str, found: str, **fields: Unpack[Fields]) -> Finding:
    return Finding(identity, Level.GOOD, found, **fields)


def warning(identity: str, found: str, **fields: Unpack[Fields]) -> Finding:
    return Finding(identity, Level.WARNING, found, **fields)


def broken(identity: str, found: str, **fields: Unpack[Fields]) -> Finding:
    return Finding(identity, Level.BROKEN, found, **fields)
