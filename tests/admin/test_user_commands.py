"""``extauth-http user …``, as an operator sees it."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.admin.fake_ejabberd import (
    RELEASES,
    Call,
    CallHandler,
    FakeEjabberd,
    drop_response,
    execute,
    respond,
    stop_server,
)
from tests.admin.operator import EXECUTABLE, Operator, Play
from tests.integration.service import http

ALICE, BOB, CAROL = "alice@example.org", "bob@example.org", "carol@example.org"


def test_sessions_are_shown_with_address_and_time(operator: Operator, server: FakeEjabberd) -> None:
    result = operator("user", "sessions", "Alice@EXAMPLE.org")
    assert result.code == 0
    assert "phone" in result.out
    assert "127.0.0.1:44698" in result.out
    facts = operator("user", "sessions", ALICE, "--json").json
    assert facts["user"] == ALICE
    assert {each["resource"] for each in facts["sessions"]} == {"phone", "desk"}


def test_a_user_without_session_is_no_error_and_an_unknown_user_is(
    operator: Operator, server: FakeEjabberd
) -> None:
    result = operator("user", "sessions", CAROL)
    assert (result.code, result.out) == (0, f"{CAROL} has no session\n")
    assert operator("user", "sessions", CAROL, "--json").json == {"user": CAROL, "sessions": []}
    result = operator("user", "sessions", "nobody@example.org")
    assert (result.code, result.out) == (1, "")
    assert "does not know nobody@example.org" in result.err


@pytest.mark.parametrize("release", RELEASES)
def test_a_kick_ends_all_sessions_and_reports_their_number(
    operator: Operator, play: Play, release: str
) -> None:
    fake = play(release)
    fake.sessions = {ALICE: ["a", "b"]}
    result = operator("user", "kick", ALICE, "--yes")
    assert (result.code, result.out) == (0, f"✔ {ALICE}: 2 sessions ended\n")
    assert fake.changes == ["kick_user"]


def test_the_notification_precedes_the_kick(operator: Operator, server: FakeEjabberd) -> None:
    arguments = ("--notify", "bye", "--grace", "0.1", "--reason", "moved", "--yes")
    result = operator("user", "kick", ALICE, *arguments)
    assert (result.code, "waiting 0.1 s" in result.err) == (0, True)
    assert server.changes == [
        *("send_message", "send_message", "kick_session", "kick_session", "kick_user"),
    ]


def test_only_sessions_after_the_notification_are_counted(
    operator: Operator, server: FakeEjabberd
) -> None:
    def leaves(fake: FakeEjabberd, call: Call, connection: socket.socket) -> None:
        execute(fake, call, connection)
        fake.sessions["alice@example.org"] = ["new"]

    server.script("send_message", execute, leaves)
    words = ("user", "kick", "alice@example.org", "--yes", "--reason", "why")
    result = operator(*words, "--notify", "bye", "--grace", "0", "--json")
    assert (result.code, result.json["outcomes"][0]["ended"]) == (0, 1)
    ended = [call.arguments["resource"] for call in server.called("kick_session")]
    assert ended == ["new"]


def test_one_session_is_ended_by_its_resource(operator: Operator, server: FakeEjabberd) -> None:
    assert operator("user", "kick", ALICE, "--resource", "desk", "--yes").code == 0
    assert server.sessions[ALICE] == ["phone"]
    result = operator("user", "kick", ALICE, "--resource", "desk", "--yes")
    assert (result.code, "its sessions: phone" in result.out) == (1, True)
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
    fake = play(release)
    fake.sessions = {ALICE: ["phone", "desk"]}
    fake.tokens = {"hunter2": ALICE}
    dry = operator("user", *arguments, "--dry-run")
    assert dry.code == 0
    assert fake.changes == []
    assert "hunter2" not in dry.out + dry.err
    more = () if arguments[0] == "notify" else ("--yes", "--grace", "0")
    operator("user", *arguments, *more)
    would = [line.split()[2] for line in dry.err.splitlines() if line.startswith("would call:")]
    assert would == [call.path for call in fake.calls if call.command in fake.changes]


def test_the_users_of_a_list_are_kicked_if_one_fails(
    operator: Operator, server: FakeEjabberd
) -> None:
    server.script("kick_user", respond(400, "strange"))
    users = f"{ALICE}\n{BOB}\n{CAROL}\nnobody@example.org\n".encode()
    result = operator("user", "kick", "--from", "-", "--yes", "--json", stdin=users)
    assert result.code == 1
    assert result.states == {
        ALICE: "not done",
        BOB: "done",
        CAROL: "done",
        "nobody@example.org": "not done",
    }


@pytest.mark.parametrize("users", [b"alice@example.org\nbob\n", b"alice@example.org\nbob@nowhere"])
def test_an_invalid_line_of_a_list_changes_nothing(
    operator: Operator, server: FakeEjabberd, users: bytes
) -> None:
    file = operator.folder / "users"
    file.write_bytes(users)
    result = operator("user", "kick", "--from", str(file), "--yes")
    assert result.code in (1, 2)
    assert (
        f"{file}:2: " in result.err or "bob@nowhere: ejabberd does not serve nowhere" in result.err
    )
    assert server.changes == []


def test_after_a_lost_response_the_sessions_show_the_result(
    operator: Operator, server: FakeEjabberd
) -> None:
    server.script("kick_user", drop_response)
    result = operator("user", "kick", ALICE, "--yes", "--json")
    assert (result.code, result.states) == (0, {ALICE: "done"})
    assert "no session is left" in result.json["outcomes"][0]["message"]
    assert len(server.called("kick_user")) == 1


def test_a_call_that_was_not_executed_is_reported_as_not_done(
    operator: Operator, server: FakeEjabberd
) -> None:
    server.script("kick_user", lambda _, __, connection: connection.shutdown(socket.SHUT_RDWR))
    result = operator("user", "kick", ALICE, "--yes", "--json")
    assert (result.code, result.states) == (1, {ALICE: "not done"})
    assert "2 sessions still there" in result.json["outcomes"][0]["message"]
    assert len(server.called("kick_user")) == 1


def test_after_a_server_stopped_a_second_run_ends_the_rest(
    operator: Operator, server: FakeEjabberd
) -> None:
    users = [f"user{number}@example.org" for number in range(9)]
    server.sessions = {user: ["x"] for user in users}
    server.script("kick_user", execute, execute, stop_server)
    listed = "\n".join(users).encode()
    result = operator("user", "kick", "--from", "-", "--yes", "--json", stdin=listed)
    assert result.code == 1
    assert list(result.states.values()) == ["done"] * 2 + ["not known"] + ["not done"] * 6
    assert "connect_refused" in result.json["outcomes"][3]["message"]
    with FakeEjabberd(port=server.service.port) as again:
        again.sessions = server.sessions
        again.users |= set(users)
        result = operator("user", "kick", "--from", "-", "--yes", "--json", stdin=listed)
        assert (result.code, set(result.states.values())) == (0, {"done"})
        assert not any(again.sessions.values())


def test_a_user_whose_sessions_cannot_be_listed_is_not_kicked(
    operator: Operator, server: FakeEjabberd
) -> None:
    server.script("user_sessions_info", respond(500, "internal_error"), execute)
    result = operator("user", "kick", ALICE, BOB, "--yes", "--json")
    assert (result.code, result.states) == (1, {ALICE: "not done", BOB: "done"})
    assert ALICE in server.sessions
    server.script("user_sessions_info", respond(500, "internal_error"))
    result = operator("user", "kick", ALICE)  # there is nothing to ask about
    assert (result.code, "internal_error" in result.out) == (1, True)


@pytest.mark.parametrize(
    ("way", "looked", "is_seen"),
    [("from", execute, True), ("arguments", execute, True), ("from", respond(500, "no"), False)],
)
def test_ctrl_c_reports_what_is_done_not_known_and_not_done(
    operator: Operator, server: FakeEjabberd, way: str, looked: CallHandler, is_seen: bool
) -> None:
    process: list[subprocess.Popen[bytes]] = []

    def interrupt(_: FakeEjabberd, __: Call, ___: socket.socket) -> None:
        process[0].send_signal(signal.SIGINT)
        time.sleep(0.5)

    server.script("kick_user", execute, interrupt)
    server.script("user_sessions_info", execute, execute, execute, looked)
    users = [ALICE, BOB, CAROL]
    file = operator.folder / "users"
    file.write_text("\n".join(users))
    command = [str(EXECUTABLE), "--config", str(operator.config), "user", "kick"]
    process.append(
        subprocess.Popen(
            [*command, "--yes", *(users if way == "arguments" else ["--from", str(file)])],
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


def test_a_message_is_sent_to_each_session(operator: Operator, server: FakeEjabberd) -> None:
    result = operator("user", "notify", ALICE, CAROL, "nobody@example.org", "hello", "--json")
    assert result.code == 1
    assert result.states == {ALICE: "done", CAROL: "not done", "nobody@example.org": "not done"}
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
        drop_response,
        respond(401, {"status": "error", "code": 10, "message": "You are not authorized"}),
    ],
)
def test_a_server_that_is_not_ejabberd_is_an_error(
    operator: Operator, server: FakeEjabberd, script: CallHandler
) -> None:
    server.script("status", script)
    server.script("registered_vhosts", script)
    result = operator("user", "kick", ALICE, "--yes")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("extauth-http: ")
    assert "Traceback" not in result.err
    assert server.changes == []


def test_a_wrong_path_is_reported(operator: Operator, server: FakeEjabberd) -> None:
    operator.configure(server.url.replace("/api", "/admin"))
    result = operator("user", "sessions", ALICE)
    assert result.code == 1
    assert "is not mod_http_api: it answers with status 404 and text/html" in result.err
    assert "/api: mod_http_api" in result.err


def test_a_missing_configuration_is_an_error(operator: Operator, tmp_path: Path) -> None:
    result = operator("user", "sessions", ALICE)
    assert (result.code, result.out) == (2, "")
    assert f"{operator.config}: cannot be read" in result.err


def test_a_list_is_read_from_a_pipe(operator: Operator, server: FakeEjabberd) -> None:
    result = subprocess.run(
        [EXECUTABLE, "--config", operator.config, "user", "kick", "--from", "-", "--yes"],
        input=b"\xef\xbb\xbfalice@example.org\r\n",
        capture_output=True,
        env={"PATH": os.environ["PATH"], "LC_ALL": "POSIX"},
        check=False,
    )
    assert result.returncode == 0
    assert ALICE not in server.sessions
