"""What makes a revocation final, and what this server cannot do of it."""

import socket
import threading

import pytest

from extauth_http.admin import revoke
from tests.admin.operator import Operator, Play
from tests.admin.played import Call, Played, lost, says, usual

ALICE = "alice@example.org"


def steps(operator: Operator, *more: str) -> tuple[int, dict[str, str]]:
    ran = operator("user", "revoke", ALICE, "--no-verify", "--yes", "--json", *more)
    (outcome,) = ran.json["outcomes"]
    assert "hunter2" not in ran.out + ran.err
    return ran.code, {each["what"]: each["came"] for each in outcome["steps"]}


@pytest.mark.parametrize(
    ("release", "is_on", "more", "code", "fast"),
    [
        ("23.01", True, (), 0, "nothing there"),
        ("23.01", False, (), 0, "nothing there"),
        ("24.12", True, (), 1, "not possible here"),
        ("24.12", True, ("--no-fast",), 0, None),
        ("25.04", True, (), 1, "not possible here"),
        ("26.07", True, (), 0, "done"),
        ("26.07", False, (), 1, "not possible here"),
        ("26.07", False, ("--no-fast",), 0, None),
    ],
)
def test_what_is_known_of_fast_tokens_is_said_for_each_release(
    operator: Operator,
    play: Play,
    release: str,
    is_on: bool,
    more: tuple[str, ...],
    code: int,
    fast: str | None,
) -> None:
    played = play(release)
    played.sessions = {ALICE: ["phone"]} if is_on else {}
    found, came = steps(operator, *more)
    assert (found, came.get("FAST tokens")) == (code, fast)
    assert came["sessions"] == ("done" if is_on else "nothing there")
    assert came["afterwards"] == "done"


def test_tokens_of_this_user_alone_are_revoked(operator: Operator, server: Played) -> None:
    server.tokens = {"hunter2": "Alice@example.org", "hunter2b": ALICE, "other": "bob@example.org"}
    code, came = steps(operator)
    assert (code, came["OAuth tokens"]) == (0, "done")
    assert server.tokens == {"other": "bob@example.org"}
    assert server.changes == [
        *("clear_cache", "oauth_revoke_token", "oauth_revoke_token", "kick_user"),
    ]


@pytest.mark.parametrize("command", ["clear_cache", "oauth_list_tokens"])
def test_what_the_server_will_not_do_is_named_and_the_sessions_end_all_the_same(
    operator: Operator, server: Played, command: str
) -> None:
    server.meets(command, says(403, {"message": "AccessRules: no right"}))
    code, came = steps(operator)
    assert code == 1
    assert list(came.values()).count("not possible here") == 1
    assert ALICE not in server.sessions


def test_a_token_that_is_not_revoked_is_named_without_itself(
    operator: Operator, server: Played
) -> None:
    server.tokens = {"hunter2": ALICE}
    server.meets("oauth_revoke_token", says(400, "no hunter2 here"))
    code, came = steps(operator)
    assert (code, came["OAuth tokens"]) == (1, "not possible here")
    assert ALICE not in server.sessions


def test_caches_are_left_where_that_is_asked_for(operator: Operator, server: Played) -> None:
    code, came = steps(operator, "--keep-caches")
    assert (code, came["login cache"]) == (0, "skipped")
    assert server.called("clear_cache") == []


def test_a_session_that_takes_a_moment_to_end_is_not_taken_for_a_new_one(
    operator: Operator, server: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(played: Played, call: Call, connection: socket.socket) -> None:
        open_ones = played.sessions[ALICE]
        usual(played, call, connection)
        played.sessions[ALICE] = open_ones
        threading.Timer(0.05, lambda: played.sessions.pop(ALICE)).start()

    monkeypatch.setattr(revoke, "BACK_AGAIN", 1.0)
    server.meets("kick_user", slowly)
    code, came = steps(operator, "--no-fast")
    assert (code, came["afterwards"]) == (0, "done")


def test_who_is_back_at_once_is_told_of(operator: Operator, server: Played) -> None:
    def back(played: Played, call: Call, connection: socket.socket) -> None:
        usual(played, call, connection)
        played.sessions[ALICE] = ["again"]

    server.meets("kick_user", back)
    ran = operator("user", "revoke", ALICE, "--no-verify", "--yes")
    assert ran.code == 1
    assert "on again: again from 127.0.0.1" in ran.out
    assert "is back" in ran.out


def test_what_could_not_be_looked_at_afterwards_is_not_known(
    operator: Operator, server: Played
) -> None:
    server.meets("user_sessions_info", usual, lost)
    ran = operator("user", "revoke", ALICE, "--no-verify", "--yes", "--json")
    assert (ran.code, ran.states) == (1, {ALICE: "not known"})
    assert ALICE not in server.sessions


@pytest.mark.parametrize(
    ("user", "is_named"), [("carol@example.org", False), ("x@example.org", True)]
)
def test_a_mistyped_name_does_not_look_like_somebodys_end(
    operator: Operator, server: Played, user: str, is_named: bool
) -> None:
    ran = operator("user", "revoke", user, "--no-verify", "--no-fast", "--yes")
    assert (ran.code, "else look at the name" in ran.out) == (0, is_named)


def test_many_are_revoked_though_one_fails(operator: Operator, server: Played) -> None:
    server.meets("kick_user", lost)
    users = f"{ALICE}\nbob@example.org\n".encode()
    ran = operator(
        *("user", "revoke", "--from", "-", "--no-verify", "--yes", "--json"), stdin=users
    )
    assert (ran.code, ran.states) == (1, {ALICE: "not known", "bob@example.org": "done"})


def test_a_token_that_came_meanwhile_is_not_passed_over(operator: Operator, server: Played) -> None:
    def one_more(played: Played, call: Call, connection: socket.socket) -> None:
        played.tokens["tok-hunter2"] = ALICE
        usual(played, call, connection)

    server.meets("kick_user", one_more)
    code, came = steps(operator, "--no-fast")
    assert (code, came["OAuth tokens"], came["afterwards"]) == (1, "nothing there", "failed")
