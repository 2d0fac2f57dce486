"""What came of each of many; and who they are, in a list."""

from pathlib import Path

import pytest

from extauth_http.admin.notes import BanNotesError
from extauth_http.admin.outcome import TROUBLE, Outcome, State, UserListError, each, read_list
from extauth_http.admin.removal import BanNotLiftedError
from extauth_http.admin.rooms import RoomMismatchError, RoomNotFoundError
from extauth_http.admin.users import UserNotFoundError
from extauth_http.ejabberd_api.errors import ApiError


def nothing() -> bytes:
    raise AssertionError("standard input is not meant")


def users(content: bytes, folder: Path) -> list[str]:
    file = folder / "list"
    file.write_bytes(content)
    from_file = [str(jid) for jid in read_list(str(file), nothing)]
    assert from_file == [str(jid) for jid in read_list("-", lambda: content)]
    return from_file


@pytest.mark.parametrize(
    "content",
    [
        b"alice@example.org\nbob@example.org\n",
        b"alice@example.org\nbob@example.org",
        b"alice@example.org\r\nbob@example.org\r\n",
        b"\xef\xbb\xbfalice@example.org\r\nbob@example.org\r\n",
        b"\xef\xbb\xbf# who left\r\nalice@example.org\r\n\r\n  bob@example.org  \t\r\n",
        b"# all\nalice@example.org # in May\n\n\t#\nbob@example.org\t# in June\n#bob@nowhere",
        b"alice@example.org\nALICE@Example.org\nbob@example.org\nalice@example.org\n",
    ],
)
def test_a_list_is_read_however_it_was_written(content: bytes, tmp_path: Path) -> None:
    assert users(content, tmp_path) == ["alice@example.org", "bob@example.org"]


def test_a_name_may_hold_what_otherwise_begins_a_comment(tmp_path: Path) -> None:
    assert users(b"a#1@example.org #2", tmp_path) == ["a#1@example.org"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"alice@example.org\nbob\n", ":2: expected one USER@HOST"),
        (b"alice@example.org\r\n\r\n# x\r\nbob\r\n", ":4: expected one USER@HOST"),
        (b"alice@example.org bob@example.org", ":1: expected one USER@HOST"),
        (b"alice@example.org:swordfish", ":1: expected one USER@HOST"),
        (b"alice@example.org,swordfish@x", ":1: expected one USER@HOST"),
        (b"alice@example.org/phone", ":1: expected one USER@HOST"),
        (b"alice@example.org\rbob@example.org", ":1: expected one USER@HOST"),
        (b"al\x1b[31mice@example.org", ":1: expected one USER@HOST"),
        (b"\x00" * 1000, ":1: expected one USER@HOST"),
        (b"", ": there is nobody in it"),
        (b"# nobody\n\n", ": there is nobody in it"),
        (b"\xff\xfea\x00", ": is not UTF-8 text"),
    ],
)
def test_a_bad_list_is_named_with_the_line_and_without_what_is_in_it(
    content: bytes, said: str, tmp_path: Path
) -> None:
    with pytest.raises(UserListError) as caught:
        users(content, tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'list'}{said}")
    assert "swordfish" not in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_list_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserListError, match="nothing-here: cannot be read: No such file"):
        read_list(str(tmp_path / "nothing-here"), nothing)
    with pytest.raises(UserListError, match="Is a directory"):
        read_list(str(tmp_path), nothing)
    with pytest.raises(UserListError, match="standard input:1: "):
        read_list("-", lambda: b"nobody")


TROUBLES = {
    "refused": ApiError("kick_user", "no", is_refused=True),
    "lost": ApiError("kick_user", "lost", may_have_changed=True),
    "unknown": UserNotFoundError("who?"),
    "no-room": RoomNotFoundError("where?"),
    "unsuitable": RoomMismatchError("how?"),
    "no-place": BanNotesError("nowhere"),
    "ban-left": BanNotLiftedError("banned"),
}


def step(name: str) -> Outcome:
    if name in TROUBLES:
        raise TROUBLES[name]
    if name == "ctrl-c":
        raise KeyboardInterrupt
    return Outcome(name, State.DONE, "done")


def test_it_goes_on_after_one_fails_and_says_of_each_what_is_so() -> None:
    outcomes, is_interrupted = each(["first", *TROUBLES, "last"], step)
    assert not is_interrupted
    assert {each.target: each.state.value for each in outcomes} == {
        "first": "done",
        "refused": "not done",
        "lost": "not known",
        "unknown": "not done",
        "no-room": "not done",
        "unsuitable": "not done",
        "no-place": "not done",
        "ban-left": "not known",
        "last": "done",
    }
    assert {type(error) for error in TROUBLES.values()} == set(TROUBLE)


@pytest.mark.parametrize(
    ("targets", "states"),
    [
        (["a", "ctrl-c", "b", "c"], ["done", "not known", "not done", "not done"]),
        (["ctrl-c"], ["not known"]),
        (["a", "lost", "ctrl-c"], ["done", "not known", "not known"]),
    ],
)
def test_ctrl_c_leaves_the_one_it_met_unknown_and_the_rest_undone(
    targets: list[str], states: list[str]
) -> None:
    outcomes, is_interrupted = each(targets, step)
    assert is_interrupted
    assert [each.state.value for each in outcomes] == states
    assert [each.target for each in outcomes] == targets
