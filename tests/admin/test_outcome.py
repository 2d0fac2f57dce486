"""Many at once: what came of each is told truly, whatever happens to the others."""

from pathlib import Path

import pytest

from extauth_http.admin.api import ApiError
from extauth_http.admin.outcome import BadList, Outcome, State, each, listed, read_list
from extauth_http.admin.removal import BanLeft
from extauth_http.admin.users import NoSuchUser
from extauth_http.jid import Jid


def test_one_that_fails_does_not_keep_the_others() -> None:
    failing = {
        "refused": ApiError("kick_user", "no", is_refused=True),
        "lost": ApiError("kick_user", "lost", is_undone=False),
        "unknown": NoSuchUser("nobody"),
        "banned": BanLeft("banned"),
    }

    def step(target: str) -> Outcome:
        if target in failing:
            raise failing[target]
        return Outcome(target, State.DONE, "done")

    outcomes, is_interrupted = each(["a", *failing, "z"], step)
    assert [outcome.state for outcome in outcomes] == [
        State.DONE,
        State.NOT_DONE,
        State.NOT_KNOWN,
        State.NOT_DONE,
        State.NOT_KNOWN,
        State.DONE,
    ]
    assert not is_interrupted


def test_ctrl_c_leaves_the_one_under_way_unknown_and_the_rest_undone() -> None:
    def step(target: str) -> Outcome:
        if target == "b":
            raise KeyboardInterrupt
        return Outcome(target, State.DONE, "done")

    outcomes, is_interrupted = each(["a", "b", "c", "d"], step)
    assert is_interrupted
    assert [(outcome.target, outcome.state) for outcome in outcomes] == [
        ("a", State.DONE),
        ("b", State.NOT_KNOWN),
        ("c", State.NOT_DONE),
        ("d", State.NOT_DONE),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "a@h\nb@h\n",
        "a@h\r\nb@h\r\n",
        "\ufeffa@h\nb@h",
        "# who left\n\n  A@h  # alice\nb@h\na@H\n",
    ],
)
def test_a_list_has_a_jid_a_line_and_each_once(text: str) -> None:
    assert listed(text, "leavers") == [Jid("a", "h"), Jid("b", "h")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a@h\nb\nc@h\n", "leavers:2: expected one USER@HOST in a line; nothing was done"),
        ("a@h b@h\n", "leavers:1: expected one USER@HOST"),
        ("# nobody\n", "leavers: there is nobody in it"),
        ("", "leavers: there is nobody in it"),
    ],
)
def test_a_line_that_is_no_user_is_named_before_anything_is_done(text: str, said: str) -> None:
    with pytest.raises(BadList) as bad:
        listed(text, "leavers")
    assert said in str(bad.value)


def test_a_list_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadList, match="cannot be read"):
        read_list(str(tmp_path / "nothing"), lambda: b"")
    latin = tmp_path / "latin"
    latin.write_bytes("änne@h\n".encode("latin-1"))
    with pytest.raises(BadList, match="not UTF-8"):
        read_list(str(latin), lambda: b"")
    assert read_list("-", lambda: b"a@h\n") == [Jid("a", "h")]
