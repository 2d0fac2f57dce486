"""A removed user leaves the room and keeps session, membership and the way back."""

import socket
from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from tests.admin.fake_commands import FakeRoom
from tests.admin.fake_ejabberd import (
    RELEASES,
    Call,
    FakeEjabberd,
    drop_response,
    execute,
    respond,
)
from tests.admin.operator import ROOM, Operator, Play
from tests.admin.removals import ALICE, BOB, MOD, MUC_ADMIN, pending_bans, remove, set_to


@pytest.mark.parametrize("before", ["none", "member", "admin", "owner"])
@pytest.mark.parametrize("release", RELEASES)
def test_a_removed_user_has_the_previous_affiliation(
    operator: Operator, play: Play, release: str, before: str
) -> None:
    fake = play(release)
    fake.sessions = {ALICE: ["phone"]}
    room = fake.rooms[ROOM] = FakeRoom({f"{ALICE}/phone": "Ali", f"{BOB}/x": "Bobby"})
    if before != "none":
        room.affiliations[ALICE] = before
    result = remove(operator, "--json")
    assert (result.code, result.states) == (0, {ALICE: "done"})
    (outcome,) = result.json["outcomes"]
    assert (outcome["how"], outcome["nicks"]) == ("banned and let in again", ["Ali"])
    assert set_to(fake) == ["outcast", before]
    assert room.affiliations.get(ALICE, "none") == before
    assert list(room.occupants.values()) == ["Bobby"]
    assert fake.sessions == {ALICE: ["phone"]}
    assert pending_bans(operator) == []


def test_a_user_who_is_not_in_the_room_is_not_changed(
    operator: Operator, server: FakeEjabberd
) -> None:
    result = remove(operator, user="carol@example.org")
    assert (result.code, "was not in" in result.out, server.changes) == (0, True, [])
    result = remove(operator, user="nobody@example.org")
    assert (result.code, "does not know nobody" in result.err) == (1, True)


def made_a_member(room: FakeRoom) -> None:
    room.affiliations[ALICE] = "member"


def banned(room: FakeRoom) -> None:
    room.affiliations[ALICE] = "outcast"
    del room.occupants[f"{ALICE}/phone"]


def subscribed(room: FakeRoom) -> None:
    room.subscribers = [ALICE]


@pytest.mark.parametrize(
    ("change", "how", "affiliation"),
    [
        (made_a_member, "banned and let in again", "member"),
        (banned, "was not in the room", "outcast"),
        (subscribed, "banned and let in again", "none"),
    ],
)
def test_a_change_during_the_notification_is_respected(
    operator: Operator,
    server: FakeEjabberd,
    change: Callable[[FakeRoom], None],
    how: str,
    affiliation: str,
) -> None:
    room = server.rooms[ROOM]

    def joins_or_changes(fake: FakeEjabberd, call: Call, connection: socket.socket) -> None:
        change(room)
        execute(fake, call, connection)

    server.script("send_message", joins_or_changes)
    result = remove(operator, "--notify", "bye", "--grace", "0", "--json")
    (outcome,) = result.json["outcomes"]
    assert (result.code, outcome["how"], outcome["affiliation"]) == (0, how, affiliation)
    assert room.affiliations.get(ALICE, "none") == affiliation
    assert not any(jid.startswith(ALICE) for jid in room.occupants)
    assert ALICE not in room.subscribers


def test_a_user_who_joins_during_the_notification_is_removed(
    operator: Operator, server: FakeEjabberd
) -> None:
    room = server.rooms[ROOM]

    def joins_or_changes(fake: FakeEjabberd, call: Call, connection: socket.socket) -> None:
        room.occupants["carol@example.org/desk"] = "Carol"
        execute(fake, call, connection)

    server.script("send_message", joins_or_changes)
    words = ("room", "remove", ROOM, ALICE, "carol@example.org", "--yes")
    assert operator(*words, "--notify", "bye", "--grace", "0").code == 0
    assert list(room.occupants.values()) == ["Bobby"]


def test_a_room_that_ends_with_the_first_removal_has_no_other_occupants(
    operator: Operator, server: FakeEjabberd
) -> None:
    def ends(fake: FakeEjabberd, call: Call, connection: socket.socket) -> None:
        execute(fake, call, connection)
        fake.rooms.clear()

    server.script("set_room_affiliation", execute, ends)
    result = operator("room", "remove", ROOM, ALICE, BOB, "--yes")
    assert (result.code, f"{BOB}: was not in" in result.out) == (0, True)


def test_nobody_is_banned_from_a_room_that_ended_during_the_notification(
    operator: Operator, server: FakeEjabberd
) -> None:
    def ends(fake: FakeEjabberd, call: Call, connection: socket.socket) -> None:
        execute(fake, call, connection)
        fake.rooms.clear()

    server.script("send_message", ends)
    result = remove(operator, "--ban", "--notify", "bye", "--grace", "0")
    assert (result.code, f"there is no room {ROOM}" in result.out) == (1, True)


def test_a_removal_ends_the_subscription(operator: Operator, server: FakeEjabberd) -> None:
    server.rooms[ROOM].subscribers = [ALICE, BOB]
    assert "no longer subscribed" in remove(operator).out
    assert server.rooms[ROOM].subscribers == [BOB]


def test_an_intended_ban_stays_until_it_is_lifted(operator: Operator, server: FakeEjabberd) -> None:
    result = remove(operator, "--ban")
    assert (result.code, set_to(server)) == (0, ["outcast"])
    assert "banned from tea@conference.example.org until --unban" in result.out
    assert operator("room", "repair").out == "nothing to repair\n"
    assert server.rooms[ROOM].affiliations == {ALICE: "outcast"}
    assert "no longer banned" in remove(operator, "--unban").out
    assert server.rooms[ROOM].affiliations == {}
    assert "is not banned" in remove(operator, "--unban").out


def test_a_ban_that_existed_before_is_not_lifted(operator: Operator, server: FakeEjabberd) -> None:
    server.rooms[ROOM].affiliations[ALICE] = "outcast"
    result = remove(operator, "--json")
    assert result.json["outcomes"][0]["how"] == "banned"
    assert server.rooms[ROOM].affiliations == {ALICE: "outcast"}


@pytest.fixture
def moderated(play: Play) -> FakeEjabberd:
    """A room in which the configured account moderates."""
    fake = play(more=f'room_admin = "{MOD}"')
    fake.rooms[ROOM] = FakeRoom(
        {f"{MOD}/bot": "Mod", f"{ALICE}/phone": "Ali", f"{ALICE}/desk": 'Ali\'s <desk> & "co"'},
        {f"{MOD}/bot": "moderator"},
    )
    return fake


def obeyed(fake: FakeEjabberd, call: Call, connection: socket.socket) -> None:
    """What a room does that is sent a role of none."""
    (item,) = ElementTree.fromstring(call.arguments["stanza"]).iter(f"{MUC_ADMIN}item")
    assert item.get("role") == "none"
    occupants = fake.rooms[ROOM].occupants
    for jid in [jid for jid, nick in occupants.items() if nick == item.get("nick")]:
        del occupants[jid]
    execute(fake, call, connection)


def test_the_configured_moderator_kicks_each_nick(
    operator: Operator, moderated: FakeEjabberd
) -> None:
    moderated.script("send_stanza", obeyed, obeyed)
    result = remove(operator, "--reason", "a <b> & 'c'", "--json")
    assert (result.code, result.json["outcomes"][0]["how"]) == (0, "kicked")
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
def test_a_user_is_banned_briefly_if_the_moderator_cannot_kick(
    operator: Operator, moderated: FakeEjabberd, why: str
) -> None:
    room = moderated.rooms[ROOM]
    match why:
        case "no right":
            moderated.script("send_stanza", respond(403, {"code": 32, "message": "AccessRules"}))
        case "no command":
            moderated.script("send_stanza", respond(404, {"code": 40, "message": "Endpoint"}))
        case "not in there":
            del room.occupants[f"{MOD}/bot"]
        case "no moderator":
            room.roles = {}
        case "of its kind":
            room.roles[f"{ALICE}/desk"] = "moderator"
    result = remove(operator, "--json")
    assert (result.code, result.json["outcomes"][0]["how"]) == (0, "banned and let in again")
    assert set_to(moderated) == ["outcast", "none"]
    assert not any(jid.startswith(ALICE) for jid in room.occupants)
    tried = why in ("not obeyed", "no right", "no command")
    assert bool(moderated.called("send_stanza")) is tried


def test_a_stanza_that_may_have_been_sent_is_not_followed_by_a_ban(
    operator: Operator, moderated: FakeEjabberd
) -> None:
    moderated.script("send_stanza", drop_response)
    result = remove(operator)
    assert (result.code, set_to(moderated)) == (1, [])
    assert "it is unknown whether ejabberd executed it" in result.out
