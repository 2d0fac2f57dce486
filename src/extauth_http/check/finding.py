"""What was found, how bad it is, and the line that mends it."""

from dataclasses import dataclass, field
from enum import IntEnum


class Level(IntEnum):
    """How bad it is; the worst one is the exit code."""

    GOOD = 0
    WARNING = 1
    BROKEN = 2

    @property
    def mark(self) -> str:
        return "✔!✘"[self]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the list.

    ``id`` is a stable word. ``line`` is YAML or TOML to be copied; ``place`` is where it belongs,
    as keys and list indexes from the top of the file, and ``where`` the file and line that it
    takes the place of. ``host`` is the virtual host that it was found for, empty for all.
    """

    id: str
    level: Level
    found: str
    line: str = ""
    place: tuple[str | int, ...] = ()
    where: str = ""
    host: str = ""
    details: tuple[str, ...] = field(default=())


def good(identity: str, found: str, **more: object) -> Finding:
    return Finding(identity, Level.GOOD, found, **more)  # type: ignore[arg-type]


def warning(identity: str, found: str, **more: object) -> Finding:
    return Finding(identity, Level.WARNING, found, **more)  # type: ignore[arg-type]


def broken(identity: str, found: str, **more: object) -> Finding:
    return Finding(identity, Level.BROKEN, found, **more)  # type: ignore[arg-type]
