"""``extauth-http user …``, as an operator sees it."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.admin.operator import EXECUTABLE, Operator, Play
from tests.admin.played import RELEASES, Call, Played, Scripted, gone, lost, says, usual
from tests.integration.service import NO, YES, Service, answering, http

ALICE, BOB, CAROL = "alice@example.org", "bob@example.org", "carol@example.org"


def test_sessions_are_shown_with_where_and_since_when(operator: Operator, server: Played) -> None:
    ran = operator("user", "sessions", "Alice@EXAMPLE.org")
    assert ran.code == 0
    assert "phone" in ran.out
    assert "127.0.0.1:44698" in ran.out
    facts = operator("user", "sessions", ALICE, "--json").json
    assert facts["user"] == ALICE
    assert {each["resource"] for each in facts["sessions"]} == {"phone", "desk"}


def test_who_is_not_on_is_no_error_and_who_is_not_there_is(
    operator: Operator, server: Played
) -> None:
    ran = operator("user", "sessions", CAROL)
    assert (ran.code, ran.out) == (0, f"{CAROL} is not on\n")
    assert operator("user", "sessions", CAROL, "--json").json == {"user": CAROL, "sessions": []}
    ran = operator("user", "sessions", "nobody@example.org")
    assert (ran.code, ran.out) == (1, "")
    assert "does not know nobody@example.org" in ran.err


@pytest.mark.parametrize("release", RELEASES)
def test_a_kick_ends_all_sessions_and_says_how_many(
    operator: Operator, play: Play, release: str
) -> None:
    played = play(release)
    played.sessions = {ALICE: ["a", "b"]}
    ran = operator("user", "kick", ALICE, "--yes")
    assert (ran.code, ran.out) == (0, f"✔ {ALICE}: 2 sessions ended\n")
    assert played.changes == ["kick_user"]


def test_who_is_told_first_is_told_before_the_end(operator: Operator, server: Played) -> None:
    arguments = ("--notify", "bye", "--grace", "0.1", "--reason", "moved", "--yes")
    ran = operator("user", "kick", ALICE, *arguments)
    assert (ran.code, "waiting 0.1 s" in ran.err) == (0, True)
    assert server.changes == [
        *("send_message", "send_message", "kick_session", "kick_session", "kick_user"),
    ]


def test_who_left_while_it_was_told_is_not_counted_and_who_came_is_told_why(
    operator: Operator, server: Played
) -> None:
    def leaves(played: Played, call: Call, connection: socket.socket) -> None:
        usual(played, call, connection)
        played.sessions["alice@example.org"] = ["new"]

    server.meets("send_message", usual, leaves)
    words = ("user", "kick", "alice@example.org", "--yes", "--reason", "why")
    ran = operator(*words, "--notify", "bye", "--grace", "0", "--json")
    assert (ran.code, ran.json["outcomes"][0]["ended"]) == (0, 1)
    ended = [call.arguments["resource"] for call in server.called("kick_session")]
    assert ended == ["new"]


def test_one_session_is_ended_by_its_name(operator: Operator, server: Played) -> None:
    assert operator("user", "kick", ALICE, "--resource", "desk", "--yes").code == 0
    assert server.sessions[ALICE] == ["phone"]
    ran = operator("user", "kick", ALICE, "--resource", "desk", "--yes")
    assert (ran.code, "it has: phone" in ran.out) == (1, True)
    assert server.changes == ["kick_session"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("kick", ALICE, "--notify", "x", "--reason", "y"),
        ("kick", ALICE, "--resource", "desk", "--notify", "x"),
        ("kick", ALICE, BOB, CAROL),
        ("notify", ALICE, "hello"),
        ("revoke", ALICE, "--no-verify", "--notify", "x"),
    ],
)
@pytest.mark.parametrize("release", RELEASES)
def test_a_dry_run_changes_nothing_and_shows_each_call(
    operator: Operator, play: Play, arguments: tuple[str, ...], release: str
) -> None:
    played = play(release)
    played.sessions = {ALICE: ["phone", "desk"]}
    played.tokens = {"hunter2": ALICE}
    dry = operator("user", *arguments, "--dry-run")
    assert dry.code == 0
    assert played.changes == []
    assert "hunter2" not in dry.out + dry.err
    more = () if arguments[0] == "notify" else ("--yes", "--grace", "0")
    operator("user", *arguments, *more)
    would = [line.split()[2] for line in dry.err.splitlines() if line.startswith("would call:")]
    assert would == [call.path for call in played.calls if call.command in played.changes]


def test_those_of_a_list_are_each_done_though_one_fails(operator: Operator, server: Played) -> None:
    server.meets("kick_user", says(400, "strange"))
    users = f"{ALICE}\n{BOB}\n{CAROL}\nnobody@example.org\n".encode()
    ran = operator("user", "kick", "--from", "-", "--yes", "--json", stdin=users)
    assert ran.code == 1
    assert ran.states == {
        ALICE: "not done",
        BOB: "done",
        CAROL: "done",
        "nobody@example.org": "not done",
    }


@pytest.mark.parametrize("users", [b"alice@example.org\nbob\n", b"alice@example.org\nbob@nowhere"])
def test_a_bad_line_keeps_all_from_being_done(
    operator: Operator, server: Played, users: bytes
) -> None:
    file = operator.folder / "users"
    file.write_bytes(users)
    ran = operator("user", "kick", "--from", str(file), "--yes")
    assert ran.code in (1, 2)
    assert f"{file}:2: " in ran.err or "bob@nowhere: ejabberd does not serve nowhere" in ran.err
    assert server.changes == []


def test_an_answer_that_got_lost_is_made_up_for_by_a_look(
    operator: Operator, server: Played
) -> None:
    server.meets("kick_user", lost)
    ran = operator("user", "kick", ALICE, "--yes", "--json")
    assert (ran.code, ran.states) == (0, {ALICE: "done"})
    assert "no session is left" in ran.json["outcomes"][0]["said"]
    assert len(server.called("kick_user")) == 1


def test_a_call_that_got_lost_before_it_was_done_is_told_as_not_done(
    operator: Operator, server: Played
) -> None:
    server.meets("kick_user", lambda _, __, connection: connection.shutdown(socket.SHUT_RDWR))
    ran = operator("user", "kick", ALICE, "--yes", "--json")
    assert (ran.code, ran.states) == (1, {ALICE: "not done"})
    assert "2 sessions still there" in ran.json["outcomes"][0]["said"]
    assert len(server.called("kick_user")) == 1


def test_a_server_that_goes_away_leaves_one_unknown_and_a_second_run_ends_the_rest(
    operator: Operator, server: Played
) -> None:
    users = [f"user{number}@example.org" for number in range(9)]
    server.sessions = {user: ["x"] for user in users}
    server.meets("kick_user", usual, usual, gone)
    listed = "\n".join(users).encode()
    ran = operator("user", "kick", "--from", "-", "--yes", "--json", stdin=listed)
    assert ran.code == 1
    assert list(ran.states.values()) == ["done"] * 2 + ["not known"] + ["not done"] * 6
    assert "connect_refused" in ran.json["outcomes"][3]["said"]
    with Played(port=server.service.port) as again:
        again.sessions = server.sessions
        again.users |= set(users)
        ran = operator("user", "kick", "--from", "-", "--yes", "--json", stdin=listed)
        assert (ran.code, set(ran.states.values())) == (0, {"done"})
        assert not any(again.sessions.values())


def test_who_could_not_be_looked_at_is_not_kicked_and_said_so(
    operator: Operator, server: Played
) -> None:
    server.meets("user_sessions_info", says(500, "internal_error"), usual)
    ran = operator("user", "kick", ALICE, BOB, "--yes", "--json")
    assert (ran.code, ran.states) == (1, {ALICE: "not done", BOB: "done"})
    assert ALICE in server.sessions
    server.meets("user_sessions_info", says(500, "internal_error"))
    ran = operator("user", "kick", ALICE)  # there is nothing to ask about
    assert (ran.code, "internal_error" in ran.out) == (1, True)


@pytest.mark.parametrize(
    ("way", "looked", "is_seen"),
    [("from", usual, True), ("arguments", usual, True), ("from", says(500, "no"), False)],
)
def test_ctrl_c_tells_who_is_done_who_may_be_and_who_is_not(
    operator: Operator, server: Played, way: str, looked: Scripted, is_seen: bool
) -> None:
    process: list[subprocess.Popen[bytes]] = []

    def interrupt(_: Played, __: Call, ___: socket.socket) -> None:
        process[0].send_signal(signal.SIGINT)
        time.sleep(0.5)

    server.meets("kick_user", usual, interrupt)
    server.meets("user_sessions_info", usual, usual, usual, looked)
    who = [ALICE, BOB, CAROL]
    file = operator.folder / "users"
    file.write_text("\n".join(who))
    command = [str(EXECUTABLE), "--config", str(operator.config), "user", "kick"]
    process.append(
        subprocess.Popen(
            [*command, "--yes", *(who if way == "arguments" else ["--from", str(file)])],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    )
    out, err = process[0].communicate(timeout=20)
    assert process[0].returncode == 130
    assert b"Traceback" not in err
    assert out.decode().splitlines() == [
        f"✔ {ALICE}: 2 sessions ended",
        f"✘ {BOB}: 1 session still there" if is_seen else f"? {BOB}: interrupted",
        f"✘ {CAROL}: interrupted",
        f"1 done, {2 if is_seen else 1} not done, {0 if is_seen else 1} not known",
    ]


def test_a_message_is_told_to_who_is_on(operator: Operator, server: Played) -> None:
    ran = operator("user", "notify", ALICE, CAROL, "nobody@example.org", "hello", "--json")
    assert ran.code == 1
    assert ran.states == {ALICE: "done", CAROL: "not done", "nobody@example.org": "not done"}
    assert [call.arguments["to"] for call in server.called("send_message")] == [
        f"{ALICE}/phone",
        f"{ALICE}/desk",
    ]


@pytest.mark.parametrize(
    "script",
    [
        lambda _, __, connection: connection.sendall(
            http(200, "<html>", "Content-Type: text/html")
        ),
        lost,
        says(401, {"status": "error", "code": 10, "message": "You are not authorized"}),
    ],
)
def test_a_server_that_is_none_is_a_clear_error_and_nothing_is_done(
    operator: Operator, server: Played, script: Scripted
) -> None:
    server.meets("status", script)
    server.meets("registered_vhosts", script)
    ran = operator("user", "kick", ALICE, "--yes")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("extauth-http: ")
    assert "Traceback" not in ran.err
    assert server.changes == []


def test_a_wrong_path_is_named(operator: Operator, server: Played) -> None:
    operator.configure(server.url.replace("/api", "/admin"))
    ran = operator("user", "sessions", ALICE)
    assert ran.code == 1
    assert "is not mod_http_api: it answers with status 404 and text/html" in ran.err
    assert "/api: mod_http_api" in ran.err


def test_no_configuration_is_a_clear_error(operator: Operator, tmp_path: Path) -> None:
    ran = operator("user", "sessions", ALICE)
    assert (ran.code, ran.out) == (2, "")
    assert f"{operator.config}: cannot be read" in ran.err


VERIFY = '[backend]\nkind = "rest"\nurl = "{}"\n'


@pytest.mark.parametrize(
    ("answer", "code", "said", "is_revoked"),
    [
        (NO, 0, "the service refuses it", True),
        (YES, 1, "the service still lets alice@example.org in", False),
        (http(500), 1, "is not known", False),
    ],
)
def test_a_credential_that_is_not_refused_is_not_revoked(
    operator: Operator, play: Play, answer: bytes, code: int, said: str, is_revoked: bool
) -> None:
    with Service(answering(answer)) as service:
        played = play(more=VERIFY.format(service.url))
        played.sessions = {ALICE: ["phone"]}
        ran = operator("user", "revoke", ALICE, "--yes", stdin=b"swordfish\r\n")
        assert len(service.requests) == 1
    assert (ran.code, said in ran.out + ran.err) == (code, True)
    assert "swordfish" not in ran.out + ran.err
    assert (ALICE not in played.sessions) is is_revoked
    assert bool(played.changes) is is_revoked


@pytest.mark.parametrize("stdin", [b"", b"\n", b"\xff\xfe\n"])
def test_a_credential_that_is_none_is_not_asked_about(
    operator: Operator, play: Play, stdin: bytes
) -> None:
    with Service() as service:
        played = play(more=VERIFY.format(service.url))
        ran = operator("user", "revoke", ALICE, "--yes", stdin=stdin)
        assert service.requests == []
    assert (ran.code, "nothing was done" in ran.err) == (1, True)
    assert played.changes == []


def test_without_a_backend_only_no_verify_revokes(operator: Operator, server: Played) -> None:
    ran = operator("user", "revoke", ALICE, "--yes", stdin=b"swordfish\n")
    assert (ran.code, server.changes) == (2, [])
    ran = operator("user", "revoke", ALICE, "--yes", "--no-verify")
    assert (ran.code, server.changes) == (0, ["clear_cache", "kick_user"])


def test_a_list_comes_from_standard_input_that_is_a_pipe(
    operator: Operator, server: Played
) -> None:
    ran = subprocess.run(
        [EXECUTABLE, "--config", operator.config, "user", "kick", "--from", "-", "--yes"],
        input=b"\xef\xbb\xbfalice@example.org\r\n",
        capture_output=True,
        env={"PATH": os.environ["PATH"], "LC_ALL": "POSIX"},
        check=False,
    )
    assert ran.returncode == 0
    assert ALICE not in server.sessions
