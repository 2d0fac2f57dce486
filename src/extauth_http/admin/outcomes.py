"""What happened to each target of a command: done, not done, or not known."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from extauth_http.admin.bans import BanFailedError
from extauth_http.admin.pending_bans import PendingBanError
from extauth_http.admin.purge import UserNotRemovedError
from extauth_http.admin.room_removal import BanNotLiftedError
from extauth_http.admin.rooms import RoomMismatchError, RoomNotFoundError
from extauth_http.admin.sessions import UserNotFoundError
from extauth_http.ejabberd_api.errors import ApiError

T = TypeVar("T")


class State(StrEnum):
    """The state of a target after the command. A dry run replaces ``DONE`` with ``WOULD_BE``."""

    DONE = "done"
    WOULD_BE = "would be done"
    NOT_DONE = "not done"
    NOT_KNOWN = "not known"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened to one target. ``facts`` are fields for ``--json``, ``hint`` is what the
    operator can do."""

    target: str
    state: State
    message: str
    facts: dict[str, Any] = field(default_factory=dict)
    hint: str = ""


FAILURES = (
    ApiError,
    UserNotFoundError,
    RoomNotFoundError,
    RoomMismatchError,
    BanFailedError,
    UserNotRemovedError,
    PendingBanError,
    BanNotLiftedError,
)
"""The errors that a command about one target can raise."""


def failure(target: object, error: Exception) -> Outcome:
    """The outcome of a target for which one of FAILURES was raised."""
    hint = ""
    state = State.NOT_DONE
    if isinstance(error, ApiError):
        hint = str(error.hint or "")
        state = State.NOT_KNOWN if error.may_have_changed else State.NOT_DONE
    elif isinstance(error, BanNotLiftedError):
        state = State.NOT_KNOWN
    return Outcome(str(target), state, str(error), hint=hint)


def run_each(
    targets: Sequence[T],
    step: Callable[[T], Outcome],
    progress: Callable[[Sequence[T]], Iterable[T]] = iter,
) -> tuple[list[Outcome], bool]:
    """Runs a step for each target, also after one fails.

    Returns the outcome of each target, and whether Ctrl-C ended it early; the rest is then not
    done. ``progress`` wraps the targets to display how many are finished.
    """
    outcomes: list[Outcome] = []
    try:
        for target in progress(targets):
            try:
                outcomes.append(step(target))
            except FAILURES as error:
                outcomes.append(failure(target, error))
    except KeyboardInterrupt as stop:
        rest = targets[len(outcomes) :]
        # The step of the first of them may have been executed in part.
        for target in rest[:1]:
            if isinstance(stop.__cause__, FAILURES):
                outcomes.append(failure(target, stop.__cause__))
            else:
                outcomes.append(Outcome(str(target), State.NOT_KNOWN, "interrupted"))
        outcomes += [Outcome(str(target), State.NOT_DONE, "interrupted") for target in rest[1:]]
        return outcomes, True
    return outcomes, False
