"""Out of a room, with no ban left behind, whatever ends the program in the middle of it."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from xml.etree import ElementTree

import pytest

from tests.admin.operator import EXECUTABLE, ROOM, Operator, Play, Ran
from tests.admin.played import RELEASES, Call, Played, PlayedRoom, Scripted, lost, says, usual

ALICE, BOB, MOD = "alice@example.org", "bob@example.org", "mod@example.org"
MUC_ADMIN = "{http://jabber.org/protocol/muc#admin}"


def remove(operator: Operator, *more: str, who: str = ALICE) -> Ran:
    return operator("room", "remove", ROOM, who, "--yes", *more)


def set_to(server: Played) -> list[str]:
    return [call.arguments["affiliation"] for call in server.called("set_room_affiliation")]


def notes(operator: Operator) -> list[str]:
    return [file.name for file in (operator.folder / "state").rglob("*.json")]


@pytest.mark.parametrize("before", ["none", "member", "admin", "owner"])
@pytest.mark.parametrize("release", RELEASES)
def test_who_is_removed_is_out_and_has_the_affiliation_from_before(
    operator: Operator, play: Play, release: str, before: str
) -> None:
    played = play(release)
    played.sessions = {ALICE: ["phone"]}
    room = played.rooms[ROOM] = PlayedRoom({f"{ALICE}/phone": "Ali", f"{BOB}/x": "Bobby"})
    if before != "none":
        room.affiliations[ALICE] = before
    ran = remove(operator, "--json")
    assert (ran.code, ran.states) == (0, {ALICE: "done"})
    (outcome,) = ran.json["outcomes"]
    assert (outcome["how"], outcome["nicks"]) == ("banned and let in again", ["Ali"])
    assert set_to(played) == ["outcast", before]
    assert room.affiliations.get(ALICE, "none") == before
    assert list(room.occupants.values()) == ["Bobby"]
    assert played.sessions == {ALICE: ["phone"]}
    assert notes(operator) == []


def test_who_is_not_in_there_is_left_alone(operator: Operator, server: Played) -> None:
    ran = remove(operator, who="carol@example.org")
    assert (ran.code, "was not in" in ran.out, server.changes) == (0, True, [])
    ran = remove(operator, who="nobody@example.org")
    assert (ran.code, "does not know nobody" in ran.err) == (1, True)


def made_a_member(room: PlayedRoom) -> None:
    room.affiliations[ALICE] = "member"


def banned(room: PlayedRoom) -> None:
    room.affiliations[ALICE] = "outcast"
    del room.occupants[f"{ALICE}/phone"]


def subscribed(room: PlayedRoom) -> None:
    room.subscribers = [ALICE]


@pytest.mark.parametrize(
    ("meanwhile", "how", "affiliation"),
    [
        (made_a_member, "banned and let in again", "member"),
        (banned, "was not in the room", "outcast"),
        (subscribed, "banned and let in again", "none"),
    ],
)
def test_what_somebody_else_did_while_it_was_told_is_heeded(
    operator: Operator,
    server: Played,
    meanwhile: Callable[[PlayedRoom], None],
    how: str,
    affiliation: str,
) -> None:
    room = server.rooms[ROOM]

    def told(played: Played, call: Call, connection: socket.socket) -> None:
        meanwhile(room)
        usual(played, call, connection)

    server.meets("send_message", told)
    ran = remove(operator, "--notify", "bye", "--grace", "0", "--json")
    (outcome,) = ran.json["outcomes"]
    assert (ran.code, outcome["how"], outcome["affiliation"]) == (0, how, affiliation)
    assert room.affiliations.get(ALICE, "none") == affiliation
    assert not any(jid.startswith(ALICE) for jid in room.occupants)
    assert ALICE not in room.subscribers


def test_who_comes_in_while_another_is_told_is_taken_out(
    operator: Operator, server: Played
) -> None:
    room = server.rooms[ROOM]

    def told(played: Played, call: Call, connection: socket.socket) -> None:
        room.occupants["carol@example.org/desk"] = "Carol"
        usual(played, call, connection)

    server.meets("send_message", told)
    words = ("room", "remove", ROOM, ALICE, "carol@example.org", "--yes")
    assert operator(*words, "--notify", "bye", "--grace", "0").code == 0
    assert list(room.occupants.values()) == ["Bobby"]


def test_a_room_that_ends_with_the_first_who_is_taken_out_has_nobody_else_in_it(
    operator: Operator, server: Played
) -> None:
    def ends(played: Played, call: Call, connection: socket.socket) -> None:
        usual(played, call, connection)
        played.rooms.clear()

    server.meets("set_room_affiliation", usual, ends)
    ran = operator("room", "remove", ROOM, ALICE, BOB, "--yes")
    assert (ran.code, f"{BOB}: was not in" in ran.out) == (0, True)


def test_nobody_is_banned_from_a_room_that_ended_while_it_was_told(
    operator: Operator, server: Played
) -> None:
    def ends(played: Played, call: Call, connection: socket.socket) -> None:
        usual(played, call, connection)
        played.rooms.clear()

    server.meets("send_message", ends)
    ran = remove(operator, "--ban", "--notify", "bye", "--grace", "0")
    assert (ran.code, f"there is no room {ROOM}" in ran.out) == (1, True)


def test_a_subscription_ends_too(operator: Operator, server: Played) -> None:
    server.rooms[ROOM].subscribers = [ALICE, BOB]
    assert "no longer subscribed" in remove(operator).out
    assert server.rooms[ROOM].subscribers == [BOB]


def test_a_ban_that_is_meant_stays_until_it_is_taken_away(
    operator: Operator, server: Played
) -> None:
    ran = remove(operator, "--ban")
    assert (ran.code, set_to(server)) == (0, ["outcast"])
    assert "kept out until --unban" in ran.out
    assert operator("room", "mend").out == "nothing to mend\n"
    assert server.rooms[ROOM].affiliations == {ALICE: "outcast"}
    assert "no longer banned" in remove(operator, "--unban").out
    assert server.rooms[ROOM].affiliations == {}
    assert "is not banned" in remove(operator, "--unban").out


def test_a_ban_that_somebody_else_set_is_not_taken_away(operator: Operator, server: Played) -> None:
    server.rooms[ROOM].affiliations[ALICE] = "outcast"
    ran = remove(operator, "--json")
    assert ran.json["outcomes"][0]["how"] == "banned"
    assert server.rooms[ROOM].affiliations == {ALICE: "outcast"}


def test_a_ban_that_is_refused_leaves_no_note(operator: Operator, server: Played) -> None:
    server.meets("set_room_affiliation", says(400, "no"))
    ran = remove(operator)
    assert (ran.code, notes(operator), set_to(server)) == (1, [], ["outcast"])
    assert "not known" not in ran.err


def test_a_ban_that_may_be_in_force_is_taken_away_at_once_and_looked_at_again(
    operator: Operator, server: Played
) -> None:
    server.meets("set_room_affiliation", lost)
    ran = remove(operator)
    assert (ran.code, len(notes(operator))) == (1, 1)
    assert "it is unknown whether ejabberd executed it" in ran.out
    assert "extauth-http room mend" in ran.err
    assert set_to(server) == ["outcast", "none"]
    assert operator("room", "mend").code == 0
    assert notes(operator) == []


def test_a_ban_that_cannot_be_taken_away_is_told_of_and_mended_later(
    operator: Operator, server: Played
) -> None:
    server.rooms[ROOM].affiliations[ALICE] = "member"
    server.meets("set_room_affiliation", usual, *[says(500, "internal_error")] * 5)
    ran = remove(operator)
    assert (ran.code, len(notes(operator))) == (1, 1)
    assert f"{ALICE} is out of {ROOM}, but banned" in ran.out
    ran = operator("room", "mend", "--dry-run")
    assert (ran.code, len(notes(operator))) == (0, 1)
    assert f"would take away the ban of {ALICE}" in ran.out
    ran = operator("room", "mend", "--json")
    assert (ran.code, len(ran.json["mended"]), notes(operator)) == (0, 1, [])
    assert server.rooms[ROOM].affiliations == {ALICE: "member"}


def test_a_ban_goes_with_a_room_that_ends_meanwhile(operator: Operator, server: Played) -> None:
    def ending(played: Played, call: Call, connection: socket.socket) -> None:
        del played.rooms[ROOM]
        says(400, "Room doesn't exists")(played, call, connection)

    server.meets("set_room_affiliation", usual, ending)
    server.meets("get_room_affiliations", usual, usual, says(500, "internal_error"))
    ran = remove(operator)
    assert (ran.code, notes(operator)) == (0, [])
    assert set_to(server) == ["outcast", "none", "none"]


def test_an_answer_that_gets_lost_on_the_way_back_is_asked_for_again(
    operator: Operator, server: Played
) -> None:
    server.meets("set_room_affiliation", usual, lost)
    assert remove(operator).code == 0
    assert set_to(server) == ["outcast", "none", "none"]
    assert (notes(operator), server.rooms[ROOM].affiliations) == ([], {})


def run_and(
    operator: Operator,
    server: Played,
    then: Callable[[subprocess.Popen[bytes]], None],
    who: Sequence[str] = (ALICE,),
) -> tuple[int, str]:
    """A real process; ``then`` happens to it when the ban is in force and not yet answered."""
    started: list[subprocess.Popen[bytes]] = []

    def meet(played: Played, call: Call, connection: socket.socket) -> None:
        answer = played.answer(call)
        then(started[0])
        connection.sendall(answer)

    server.meets("set_room_affiliation", meet)
    command = [str(EXECUTABLE), "--config", str(operator.config), "room", "remove", ROOM, *who]
    started.append(
        subprocess.Popen([*command, "--yes"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    )
    said, _ = started[0].communicate(timeout=20)
    return started[0].returncode, said.decode()


def killed(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


@pytest.mark.parametrize(
    "command",
    [
        ("room", "mend"),
        ("room", "remove", ROOM, BOB, "--yes"),
        ("room", "invite", ROOM, ALICE),
    ],
)
def test_a_ban_is_mended_after_the_program_was_killed_in_between(
    operator: Operator, server: Played, command: tuple[str, ...]
) -> None:
    server.rooms[ROOM].affiliations[ALICE] = "member"
    code, _ = run_and(operator, server, killed)
    assert code == -signal.SIGKILL
    assert server.rooms[ROOM].affiliations == {ALICE: "outcast"}
    assert len(notes(operator)) == 1
    ran = operator(*command)
    assert (ran.code, notes(operator)) == (0, [])
    assert f"took away the ban of {ALICE} from {ROOM}" in ran.out + ran.err
    assert server.rooms[ROOM].affiliations == {ALICE: "member"}
    assert operator("room", "mend").out == "nothing to mend\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_in_between_is_heeded_when_the_ban_is_gone(
    operator: Operator, server: Played, number: signal.Signals
) -> None:
    code, err = run_and(operator, server, lambda process: _signal(process, number))
    assert code == (130 if number is signal.SIGINT else -number)
    assert "Traceback" not in err
    assert set_to(server) == ["outcast", "none"]
    assert (server.rooms[ROOM].affiliations, notes(operator)) == ({}, [])


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    process.send_signal(number)
    time.sleep(0.3)  # so that it comes while the answer is waited for


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_does_not_hide_that_a_ban_is_left_and_nobody_else_is_taken_out(
    operator: Operator, server: Played, number: signal.Signals
) -> None:
    def interrupt(process: subprocess.Popen[bytes]) -> None:
        server.meets("set_room_affiliation", *[says(500, "internal_error")] * 5)
        _signal(process, number)

    code, said = run_and(operator, server, interrupt, (ALICE, BOB))
    assert (code, "but banned" in said, len(notes(operator))) == (130, True, 1)
    assert f"{BOB}: interrupted" in said
    assert list(server.rooms[ROOM].occupants.values()) == ["Bobby"]


def test_a_ban_that_somebody_changed_since_is_left_as_it_is(
    operator: Operator, server: Played
) -> None:
    run_and(operator, server, killed)
    server.rooms[ROOM].affiliations[ALICE] = "admin"
    assert operator("room", "mend").out == "nothing to mend\n"
    assert (server.rooms[ROOM].affiliations, notes(operator)) == ({ALICE: "admin"}, [])


def test_a_room_that_is_gone_takes_its_note_with_it(operator: Operator, server: Played) -> None:
    run_and(operator, server, killed)
    del server.rooms[ROOM]
    assert operator("room", "mend").code == 0
    assert notes(operator) == []


@pytest.mark.parametrize("script", [says(500, "internal_error"), says(403, "no right"), lost])
def test_a_note_stays_until_it_is_known_that_the_ban_is_gone(
    operator: Operator, server: Played, script: Scripted
) -> None:
    run_and(operator, server, killed)
    server.meets("get_room_affiliations", script)
    assert operator("room", "mend").code == 1
    assert len(notes(operator)) == 1
    server.meets("get_room_affiliations", script)
    ran = remove(operator, who=BOB)  # goes on all the same
    assert (ran.code, "were not looked at" in ran.err) == (0, True)
    assert operator("room", "mend").code == 0
    assert server.rooms[ROOM].affiliations == {}


def test_a_note_of_another_server_is_left_alone(operator: Operator, server: Played) -> None:
    run_and(operator, server, killed)
    with Played() as other:
        other.rooms[ROOM] = PlayedRoom(affiliations={ALICE: "outcast"})
        operator.configure(other.url)
        assert operator("room", "mend").out == "nothing to mend\n"
        assert other.changes == []
    assert len(notes(operator)) == 1


@pytest.fixture
def moderated(play: Play) -> Played:
    """A room in which the configured account moderates."""
    played = play(more=f'room_admin = "{MOD}"')
    played.rooms[ROOM] = PlayedRoom(
        {f"{MOD}/bot": "Mod", f"{ALICE}/phone": "Ali", f"{ALICE}/desk": 'Ali\'s <desk> & "co"'},
        {f"{MOD}/bot": "moderator"},
    )
    return played


def obeyed(played: Played, call: Call, connection: socket.socket) -> None:
    """What a room does that is sent a role of none."""
    (item,) = ElementTree.fromstring(call.arguments["stanza"]).iter(f"{MUC_ADMIN}item")
    assert item.get("role") == "none"
    occupants = played.rooms[ROOM].occupants
    for jid in [jid for jid, nick in occupants.items() if nick == item.get("nick")]:
        del occupants[jid]
    usual(played, call, connection)


def test_where_a_moderator_is_configured_each_nick_is_kicked_in_its_name(
    operator: Operator, moderated: Played
) -> None:
    moderated.meets("send_stanza", obeyed, obeyed)
    ran = remove(operator, "--reason", "a <b> & 'c'", "--json")
    assert (ran.code, ran.json["outcomes"][0]["how"]) == (0, "kicked")
    assert list(moderated.rooms[ROOM].occupants.values()) == ["Mod"]
    assert moderated.changes == ["send_stanza", "send_stanza"]
    nicks = ["Ali", 'Ali\'s <desk> & "co"']
    for call, nick in zip(moderated.called("send_stanza"), nicks, strict=True):
        assert (call.arguments["from"], call.arguments["to"]) == (f"{MOD}/bot", ROOM)
        stanza = ElementTree.fromstring(call.arguments["stanza"])
        (item,) = stanza.iter(f"{MUC_ADMIN}item")
        assert stanza.get("type") == "set"
        assert (item.get("nick"), item.findtext(f"{MUC_ADMIN}reason")) == (nick, "a <b> & 'c'")
    assert set_to(moderated) == []


@pytest.mark.parametrize(
    "why", ["not obeyed", "no right", "no command", "not in there", "no moderator", "of its kind"]
)
def test_where_the_moderator_cannot_it_is_done_the_other_way(
    operator: Operator, moderated: Played, why: str
) -> None:
    room = moderated.rooms[ROOM]
    match why:
        case "no right":
            moderated.meets("send_stanza", says(403, {"code": 32, "message": "AccessRules"}))
        case "no command":
            moderated.meets("send_stanza", says(404, {"code": 40, "message": "Endpoint"}))
        case "not in there":
            del room.occupants[f"{MOD}/bot"]
        case "no moderator":
            room.roles = {}
        case "of its kind":
            room.roles[f"{ALICE}/desk"] = "moderator"
    ran = remove(operator, "--json")
    assert (ran.code, ran.json["outcomes"][0]["how"]) == (0, "banned and let in again")
    assert set_to(moderated) == ["outcast", "none"]
    assert not any(jid.startswith(ALICE) for jid in room.occupants)
    tried = why in ("not obeyed", "no right", "no command")
    assert bool(moderated.called("send_stanza")) is tried


def test_a_stanza_that_may_have_been_sent_is_not_followed_by_a_ban(
    operator: Operator, moderated: Played
) -> None:
    moderated.meets("send_stanza", lost)
    ran = remove(operator)
    assert (ran.code, set_to(moderated)) == (1, [])
    assert "it is unknown whether ejabberd executed it" in ran.out


@pytest.mark.parametrize("what", ["a file", "a link", "others may write", "somebody else's"])
def test_without_a_place_for_the_note_nothing_is_done(
    operator: Operator, server: Played, what: str, monkeypatch: pytest.MonkeyPatch
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
    ran = remove(operator)
    assert (ran.code, server.changes) == (1, [])
    assert str(operator.folder / "state") in ran.out
    assert "Traceback" not in ran.err
    assert remove(operator, "--ban").code == 0  # needs no note
