"""The outcome of each target of a command."""

import pytest

from extauth_http.admin.bans import BanFailedError
from extauth_http.admin.outcomes import FAILURES, Outcome, State, run_each
from extauth_http.admin.pending_bans import PendingBanError
from extauth_http.admin.purge import UserNotRemovedError
from extauth_http.admin.room_removal import BanNotLiftedError
from extauth_http.admin.rooms import RoomMismatchError, RoomNotFoundError
from extauth_http.admin.sessions import UserNotFoundError
from extauth_http.ejabberd_api.errors import ApiError

ERRORS = {
    "refused": ApiError("kick_user", "no", is_refused=True),
    "lost": ApiError("kick_user", "lost", may_have_changed=True),
    "no-user": UserNotFoundError("who?"),
    "no-room": RoomNotFoundError("where?"),
    "mismatch": RoomMismatchError("how?"),
    "not-banned": BanFailedError("why?"),
    "not-removed": UserNotRemovedError("still there"),
    "not-saved": PendingBanError("nowhere"),
    "not-lifted": BanNotLiftedError("banned"),
}


def step(name: str) -> Outcome:
    if name in ERRORS:
        raise ERRORS[name]
    if name == "ctrl-c":
        raise KeyboardInterrupt
    return Outcome(name, State.DONE, "done")


def test_a_failure_does_not_stop_the_other_targets() -> None:
    outcomes, is_interrupted = run_each(["first", *ERRORS, "last"], step)
    assert not is_interrupted
    assert {each.target: each.state.value for each in outcomes} == {
        "first": "done",
        "refused": "not done",
        "lost": "not known",
        "no-user": "not done",
        "no-room": "not done",
        "mismatch": "not done",
        "not-banned": "not done",
        "not-removed": "not done",
        "not-saved": "not done",
        "not-lifted": "not known",
        "last": "done",
    }
    assert {type(error) for error in ERRORS.values()} == set(FAILURES)


@pytest.mark.parametrize(
    ("targets", "states"),
    [
        (["a", "ctrl-c", "b", "c"], ["done", "not known", "not done", "not done"]),
        (["ctrl-c"], ["not known"]),
        (["a", "lost", "ctrl-c"], ["done", "not known", "not known"]),
    ],
)
def test_after_ctrl_c_one_target_is_not_known_and_the_rest_is_not_done(
    targets: list[str], states: list[str]
) -> None:
    outcomes, is_interrupted = run_each(targets, step)
    assert is_interrupted
    assert [each.state.value for each in outcomes] == states
    assert [each.target for each in outcomes] == targets
