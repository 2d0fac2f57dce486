"""What makes a revocation final, and what this server cannot do of it."""

import socket
import threading

import pytest

from extauth_http.admin import revoke
from tests.admin.fake_ejabberd import Call, FakeEjabberd, drop_response, execute, respond
from tests.admin.operator import Operator, Play

ALICE = "alice@example.org"


def steps(operator: Operator, *more: str) -> tuple[int, dict[str, str]]:
    result = operator("user", "revoke", ALICE, "--no-verify", "--yes", "--json", *more)
    (outcome,) = result.json["outcomes"]
    assert "hunter2" not in result.out + result.err
    return result.code, {each["step"]: each["status"] for each in outcome["steps"]}


@pytest.mark.parametrize(
    ("release", "is_on", "more", "code", "fast"),
    [
        ("23.01", True, (), 0, "nothing there"),
        ("23.01", False, (), 0, "nothing there"),
        ("24.12", True, (), 1, "not possible here"),
        ("24.12", True, ("--no-fast",), 0, None),
        ("25.04", True, (), 1, "not possible here"),
        ("25.07", True, (), 0, "done"),
        ("25.07", False, (), 1, "not possible here"),
        ("26.07", True, (), 0, "done"),
        ("26.07", False, (), 1, "not possible here"),
        ("26.07", False, ("--no-fast",), 0, None),
    ],
)
def test_the_result_about_fast_tokens_depends_on_the_release(
    operator: Operator,
    play: Play,
    release: str,
    is_on: bool,
    more: tuple[str, ...],
    code: int,
    fast: str | None,
) -> None:
    fake = play(release)
    fake.sessions = {ALICE: ["phone"]} if is_on else {}
    found, status = steps(operator, *more)
    assert (found, status.get("FAST tokens")) == (code, fast)
    assert status["sessions"] == ("done" if is_on else "nothing there")
    assert status["afterwards"] == "done"


def test_only_the_tokens_of_the_user_are_revoked(operator: Operator, server: FakeEjabberd) -> None:
    server.tokens = {"hunter2": "Alice@example.org", "hunter2b": ALICE, "other": "bob@example.org"}
    code, status = steps(operator)
    assert (code, status["OAuth tokens"]) == (0, "done")
    assert server.tokens == {"other": "bob@example.org"}
    assert server.changes == [
        *("clear_cache", "oauth_revoke_token", "oauth_revoke_token", "kick_user"),
    ]


@pytest.mark.parametrize("command", ["clear_cache", "oauth_list_tokens"])
def test_a_refused_step_is_reported_and_the_sessions_end_nevertheless(
    operator: Operator, server: FakeEjabberd, command: str
) -> None:
    server.script(command, respond(403, {"message": "AccessRules: no right"}))
    code, status = steps(operator)
    assert code == 1
    assert list(status.values()).count("not possible here") == 1
    assert ALICE not in server.sessions


def test_a_token_that_cannot_be_revoked_is_not_shown(
    operator: Operator, server: FakeEjabberd
) -> None:
    server.tokens = {"hunter2": ALICE}
    server.script("oauth_revoke_token", respond(400, "no hunter2 here"))
    code, status = steps(operator)
    assert (code, status["OAuth tokens"]) == (1, "not possible here")
    assert ALICE not in server.sessions


def test_caches_are_not_cleared_with_keep_caches(operator: Operator, server: FakeEjabberd) -> None:
    code, status = steps(operator, "--keep-caches")
    assert (code, status["login cache"]) == (0, "skipped")
    assert server.called("clear_cache") == []


def test_a_session_that_ends_slowly_is_not_a_new_session(
    operator: Operator, server: FakeEjabberd, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(fake: FakeEjabberd, call: Call, connection: socket.socket) -> None:
        listed = fake.sessions[ALICE]
        execute(fake, call, connection)
        fake.sessions[ALICE] = listed
        threading.Timer(0.05, lambda: fake.sessions.pop(ALICE)).start()

    monkeypatch.setattr(revoke, "RECONNECT_TIME", 1.0)
    server.script("kick_user", slowly)
    code, status = steps(operator, "--no-fast")
    assert (code, status["afterwards"]) == (0, "done")


def test_a_user_who_reconnects_is_reported(operator: Operator, server: FakeEjabberd) -> None:
    def back(fake: FakeEjabberd, call: Call, connection: socket.socket) -> None:
        execute(fake, call, connection)
        fake.sessions[ALICE] = ["again"]

    server.script("kick_user", back)
    result = operator("user", "revoke", ALICE, "--no-verify", "--yes")
    assert result.code == 1
    assert "new session: again from 127.0.0.1" in result.out
    assert "can still log in" in result.out


def test_the_result_is_not_known_if_it_cannot_be_checked(
    operator: Operator, server: FakeEjabberd
) -> None:
    server.script("user_sessions_info", execute, drop_response)
    result = operator("user", "revoke", ALICE, "--no-verify", "--yes", "--json")
    assert (result.code, result.states) == (1, {ALICE: "not known"})
    assert ALICE not in server.sessions


@pytest.mark.parametrize(
    ("user", "is_named"), [("carol@example.org", False), ("x@example.org", True)]
)
def test_a_mistyped_name_does_not_look_like_a_revoked_user(
    operator: Operator, server: FakeEjabberd, user: str, is_named: bool
) -> None:
    result = operator("user", "revoke", user, "--no-verify", "--no-fast", "--yes")
    assert (result.code, "otherwise check the name" in result.out) == (0, is_named)


def test_the_other_users_are_revoked_if_one_fails(operator: Operator, server: FakeEjabberd) -> None:
    server.script("kick_user", drop_response)
    users = f"{ALICE}\nbob@example.org\n".encode()
    result = operator(
        *("user", "revoke", "--from", "-", "--no-verify", "--yes", "--json"), stdin=users
    )
    assert (result.code, result.states) == (1, {ALICE: "not known", "bob@example.org": "done"})


def test_a_token_that_was_issued_meanwhile_is_reported(
    operator: Operator, server: FakeEjabberd
) -> None:
    def one_more(fake: FakeEjabberd, call: Call, connection: socket.socket) -> None:
        fake.tokens["tok-hunter2"] = ALICE
        execute(fake, call, connection)

    server.script("kick_user", one_more)
    code, status = steps(operator, "--no-fast")
    assert (code, status["OAuth tokens"], status["afterwards"]) == (1, "nothing there", "failed")
