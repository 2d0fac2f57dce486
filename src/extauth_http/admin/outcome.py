"""What came of each of many, told truly: done, not done, or not known."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from extauth_http.admin.notes import BanNotesError
from extauth_http.admin.removal import BanNotLiftedError
from extauth_http.admin.rooms import RoomMismatchError, RoomNotFoundError
from extauth_http.admin.users import UserNotFoundError
from extauth_http.ejabberd_api.errors import ApiError
from extauth_http.protocol.jid import Jid

T = TypeVar("T")


class State(StrEnum):
    """How something ended; ``WOULD_BE`` is what a dry run makes of ``DONE``."""

    DONE = "done"
    WOULD_BE = "would be done"
    NOT_DONE = "not done"
    NOT_KNOWN = "not known"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one of them. ``facts`` are for ``--json``; ``advice`` is what to do about it."""

    target: str
    state: State
    said: str
    facts: dict[str, Any] = field(default_factory=dict)
    advice: str = ""


TROUBLE = (
    ApiError,
    UserNotFoundError,
    RoomNotFoundError,
    RoomMismatchError,
    BanNotesError,
    BanNotLiftedError,
)


def trouble(target: object, error: Exception) -> Outcome:
    """The outcome that one of TROUBLE means."""
    if isinstance(error, ApiError):
        state = State.NOT_KNOWN if error.may_have_changed else State.NOT_DONE
        return Outcome(str(target), state, str(error), advice=str(error.hint or ""))
    state = State.NOT_KNOWN if isinstance(error, BanNotLiftedError) else State.NOT_DONE
    return Outcome(str(target), state, str(error))


def each(
    targets: Sequence[T],
    step: Callable[[T], Outcome],
    shown: Callable[[Sequence[T]], Iterable[T]] = iter,
) -> tuple[list[Outcome], bool]:
    """What came of each, one after the other, going on after one fails; and whether Ctrl-C ended
    it early, in which case the rest is not done."""
    outcomes: list[Outcome] = []
    try:
        for target in shown(targets):
            try:
                outcomes.append(step(target))
            except TROUBLE as error:
                outcomes.append(trouble(target, error))
    except KeyboardInterrupt as stop:
        rest = targets[len(outcomes) :]
        # It may have come in the middle of the one that was being done.
        for target in rest[:1]:
            if isinstance(stop.__cause__, TROUBLE):
                outcomes.append(trouble(target, stop.__cause__))
            else:
                outcomes.append(Outcome(str(target), State.NOT_KNOWN, "interrupted"))
        outcomes += [Outcome(str(target), State.NOT_DONE, "interrupted") for target in rest[1:]]
        return outcomes, True
    return outcomes, False


_COMMENT = re.compile(r"(?:^|\s)#")


class UserListError(Exception):
    """A line that is no user, before anything was done."""


def listed(text: str, name: str) -> list[Jid]:
    """The users of a file: a JID a line, each user once. Raises BadList.

    ``#`` begins a comment at the start of a line and after a space: a user's name may hold one.
    """
    found: dict[Jid, None] = {}
    for number, line in enumerate(text.split("\n"), 1):
        word = _COMMENT.split(line, maxsplit=1)[0].strip()
        if not word:
            continue
        try:
            found[Jid.parse(word)] = None
        except ValueError:
            # Without the line itself: there may be a password behind the name.
            said = f"{name}:{number}: expected one USER@HOST in a line; nothing was done"
            raise UserListError(said) from None
    if not found:
        raise UserListError(f"{name}: there is nobody in it")
    return list(found)


def read_list(name: str, standard_input: Callable[[], bytes]) -> list[Jid]:
    """The users of a file, or of standard input where its name is ``-``. Raises BadList."""
    try:
        content = standard_input() if name == "-" else Path(name).read_bytes()
        name = "standard input" if name == "-" else name
        # Lists come from other systems as well, with a byte order mark.
        return listed(content.decode("utf-8-sig"), name)
    except OSError as error:
        raise UserListError(f"{name}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserListError(f"{name}: is not UTF-8 text") from None
