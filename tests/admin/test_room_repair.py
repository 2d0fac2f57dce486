"""Bans of interrupted removals: each is lifted, now or by the next command."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence

import pytest

from tests.admin.fake_commands import FakeRoom
from tests.admin.fake_ejabberd import (
    Call,
    CallHandler,
    FakeEjabberd,
    drop_response,
    execute,
    respond,
)
from tests.admin.operator import EXECUTABLE, ROOM, Operator
from tests.admin.removals import ALICE, BOB, pending_bans, remove, set_to


def test_a_refused_ban_leaves_no_pending_ban(operator: Operator, server: FakeEjabberd) -> None:
    server.script("set_room_affiliation", respond(400, "no"))
    result = remove(operator)
    assert (result.code, pending_bans(operator), set_to(server)) == (1, [], ["outcast"])
    assert "not known" not in result.err


def test_a_ban_that_may_be_in_force_is_lifted_at_once_and_checked_again(
    operator: Operator, server: FakeEjabberd
) -> None:
    server.script("set_room_affiliation", drop_response)
    result = remove(operator)
    assert (result.code, len(pending_bans(operator))) == (1, 1)
    assert "it is unknown whether ejabberd executed it" in result.out
    assert "extauth-http room repair" in result.err
    assert set_to(server) == ["outcast", "none"]
    assert operator("room", "repair").code == 0
    assert pending_bans(operator) == []


def test_a_ban_that_cannot_be_lifted_is_reported_and_repaired_later(
    operator: Operator, server: FakeEjabberd
) -> None:
    server.rooms[ROOM].affiliations[ALICE] = "member"
    server.script("set_room_affiliation", execute, *[respond(500, "internal_error")] * 5)
    result = remove(operator)
    assert (result.code, len(pending_bans(operator))) == (1, 1)
    assert f"{ALICE}: was removed from {ROOM} and is still banned" in result.out
    result = operator("room", "repair", "--dry-run")
    assert (result.code, len(pending_bans(operator))) == (0, 1)
    assert f"would lift the ban of {ALICE}" in result.out
    result = operator("room", "repair", "--json")
    assert (result.code, len(result.json["lifted"]), pending_bans(operator)) == (0, 1, [])
    assert server.rooms[ROOM].affiliations == {ALICE: "member"}


def test_a_ban_ends_with_its_room(operator: Operator, server: FakeEjabberd) -> None:
    def ending(fake: FakeEjabberd, call: Call, connection: socket.socket) -> None:
        del fake.rooms[ROOM]
        respond(400, "Room doesn't exists")(fake, call, connection)

    server.script("set_room_affiliation", execute, ending)
    server.script("get_room_affiliations", execute, execute, respond(500, "internal_error"))
    result = remove(operator)
    assert (result.code, pending_bans(operator)) == (0, [])
    assert set_to(server) == ["outcast", "none", "none"]


def test_lifting_is_repeated_after_a_lost_response(
    operator: Operator, server: FakeEjabberd
) -> None:
    server.script("set_room_affiliation", execute, drop_response)
    assert remove(operator).code == 0
    assert set_to(server) == ["outcast", "none", "none"]
    assert (pending_bans(operator), server.rooms[ROOM].affiliations) == ([], {})


def run_and(
    operator: Operator,
    server: FakeEjabberd,
    then: Callable[[subprocess.Popen[bytes]], None],
    users: Sequence[str] = (ALICE,),
) -> tuple[int, str]:
    """A real process; ``then`` happens to it when the ban is in force and not yet answered."""
    started: list[subprocess.Popen[bytes]] = []

    def meet(fake: FakeEjabberd, call: Call, connection: socket.socket) -> None:
        answer = fake.answer(call)
        then(started[0])
        connection.sendall(answer)

    server.script("set_room_affiliation", meet)
    command = [str(EXECUTABLE), "--config", str(operator.config), "room", "remove", ROOM, *users]
    started.append(
        subprocess.Popen([*command, "--yes"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    )
    output, _ = started[0].communicate(timeout=20)
    return started[0].returncode, output.decode()


def killed(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


@pytest.mark.parametrize(
    "command",
    [
        ("room", "repair"),
        ("room", "remove", ROOM, BOB, "--yes"),
        ("room", "invite", ROOM, ALICE),
    ],
)
def test_a_ban_is_lifted_after_the_program_was_killed(
    operator: Operator, server: FakeEjabberd, command: tuple[str, ...]
) -> None:
    server.rooms[ROOM].affiliations[ALICE] = "member"
    code, _ = run_and(operator, server, killed)
    assert code == -signal.SIGKILL
    assert server.rooms[ROOM].affiliations == {ALICE: "outcast"}
    assert len(pending_bans(operator)) == 1
    result = operator(*command)
    assert (result.code, pending_bans(operator)) == (0, [])
    assert f"lifted the ban of {ALICE} from {ROOM}" in result.out + result.err
    assert server.rooms[ROOM].affiliations == {ALICE: "member"}
    assert operator("room", "repair").out == "nothing to repair\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_takes_effect_when_the_ban_is_lifted(
    operator: Operator, server: FakeEjabberd, number: signal.Signals
) -> None:
    code, err = run_and(operator, server, lambda process: _signal(process, number))
    assert code == (130 if number is signal.SIGINT else -number)
    assert "Traceback" not in err
    assert set_to(server) == ["outcast", "none"]
    assert (server.rooms[ROOM].affiliations, pending_bans(operator)) == ({}, [])


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    process.send_signal(number)
    time.sleep(0.3)  # so that it comes while the answer is waited for


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_after_a_signal_a_left_ban_is_reported_and_nobody_else_is_removed(
    operator: Operator, server: FakeEjabberd, number: signal.Signals
) -> None:
    def interrupt(process: subprocess.Popen[bytes]) -> None:
        server.script("set_room_affiliation", *[respond(500, "internal_error")] * 5)
        _signal(process, number)

    code, output = run_and(operator, server, interrupt, (ALICE, BOB))
    assert (code, "is still banned" in output, len(pending_bans(operator))) == (130, True, 1)
    assert f"{BOB}: interrupted" in output
    assert list(server.rooms[ROOM].occupants.values()) == ["Bobby"]


def test_a_ban_that_somebody_changed_meanwhile_is_not_changed(
    operator: Operator, server: FakeEjabberd
) -> None:
    run_and(operator, server, killed)
    server.rooms[ROOM].affiliations[ALICE] = "admin"
    assert operator("room", "repair").out == "nothing to repair\n"
    assert (server.rooms[ROOM].affiliations, pending_bans(operator)) == ({ALICE: "admin"}, [])


def test_a_pending_ban_of_a_room_that_is_gone_is_forgotten(
    operator: Operator, server: FakeEjabberd
) -> None:
    run_and(operator, server, killed)
    del server.rooms[ROOM]
    assert operator("room", "repair").code == 0
    assert pending_bans(operator) == []


@pytest.mark.parametrize(
    "script", [respond(500, "internal_error"), respond(403, "no right"), drop_response]
)
def test_a_pending_ban_stays_until_the_ban_is_known_to_be_lifted(
    operator: Operator, server: FakeEjabberd, script: CallHandler
) -> None:
    run_and(operator, server, killed)
    server.script("get_room_affiliations", script)
    assert operator("room", "repair").code == 1
    assert len(pending_bans(operator)) == 1
    server.script("get_room_affiliations", script)
    result = remove(operator, user=BOB)  # the removal continues
    assert (result.code, "were not checked" in result.err) == (0, True)
    assert operator("room", "repair").code == 0
    assert server.rooms[ROOM].affiliations == {}


def test_a_pending_ban_of_another_server_is_ignored(
    operator: Operator, server: FakeEjabberd
) -> None:
    run_and(operator, server, killed)
    with FakeEjabberd() as other:
        other.rooms[ROOM] = FakeRoom(affiliations={ALICE: "outcast"})
        operator.configure(other.url)
        assert operator("room", "repair").out == "nothing to repair\n"
        assert other.changes == []
    assert len(pending_bans(operator)) == 1


@pytest.mark.parametrize("what", ["a file", "a link", "others may write", "somebody else's"])
def test_without_a_safe_directory_nothing_is_changed(
    operator: Operator, server: FakeEjabberd, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.rooms[ROOM].subscribers = [ALICE]
    place = operator.folder / "state" / "extauth-http" / "bans"
    if what == "a file":
        (operator.folder / "state").write_text("")
    else:
        place.mkdir(parents=True, mode=0o755)
    if what == "a link":
        place.rename(place.with_name("elsewhere"))
        place.symlink_to("elsewhere")
    if what == "others may write":
        place.chmod(0o777)
    if what == "somebody else's":
        monkeypatch.setattr(os, "geteuid", lambda: place.stat().st_uid + 1)
    result = remove(operator)
    assert (result.code, server.changes) == (1, [])
    assert str(operator.folder / "state") in result.out
    assert "Traceback" not in result.err
    assert remove(operator, "--ban").code == 0  # needs no note
