"""``extauth-http room …``, as an operator sees it."""

import pytest

from tests.admin.operator import ROOM, Operator, Play
from tests.admin.played import RELEASES, SERVICE, Played, PlayedRoom, lost, says, usual

ALICE, BOB, CAROL = "alice@example.org", "bob@example.org", "carol@example.org"
NEW = f"new@{SERVICE}"


@pytest.mark.parametrize("release", RELEASES)
def test_a_room_is_made_with_its_options(operator: Operator, play: Play, release: str) -> None:
    played = play(release)
    ran = operator("room", "create", NEW, "--option", "persistent=true", "--option", "title=T=1")
    assert (ran.code, ran.out) == (0, f"{NEW} is there\n")
    options = played.rooms[NEW].options
    assert (options["persistent"], options["title"]) == ("true", "T=1")
    ran = operator("room", "create", f"brief@{SERVICE}")
    assert "as long as somebody is in it" in ran.out


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("option", ["nonsense=true", "title=swordfish"])
def test_a_room_whose_option_was_not_taken_is_taken_away_again(
    operator: Operator, play: Play, release: str, option: str
) -> None:
    played = play(release)
    if option.startswith("title"):
        if release == "24.12":
            played.meets("change_room_option", says(500, "internal_error"))
        other = {"title": "other", "persistent": "false"}
        played.meets("get_room_options", usual if release == "24.12" else says(200, other))
    ran = operator("room", "create", NEW, "--option", option)
    assert (ran.code, ran.out) == (1, "")
    assert option.partition("=")[0] in ran.err
    assert "was not made" in ran.err
    assert played.rooms == {}
    assert played.changes[-1] == "destroy_room"


def test_a_room_that_cannot_be_taken_away_again_is_told_of(
    operator: Operator, server: Played
) -> None:
    server.meets("destroy_room", says(500, "internal_error"))
    ran = operator("room", "create", NEW, "--option", "nonsense=true")
    assert (ran.code, "could not be taken away again: destroy_room" in ran.err) == (1, True)


def test_a_room_that_could_not_be_looked_at_is_told_of(operator: Operator, server: Played) -> None:
    server.meets("get_room_affiliations", lost)
    ran = operator("room", "create", NEW)
    assert (ran.code, f"{NEW} was made, but" in ran.err) == (1, True)
    assert NEW in server.rooms


def test_a_room_that_is_there_is_left_as_it_is(operator: Operator, server: Played) -> None:
    ran = operator("room", "create", ROOM, "--option", "title=other")
    assert (ran.code, "Room already exists" in ran.err) == (1, True)
    assert server.changes == ["create_room_with_opts"]
    assert len(server.rooms[ROOM].occupants) == 2


def test_the_password_of_a_room_is_shown_nowhere(operator: Operator, server: Played) -> None:
    password = ("--option", "password=swordfish", "--option", "password_protected=true")
    for arguments in (
        ("create", NEW, *password, "--dry-run"),
        ("create", NEW, *password),
        ("create", f"new2@{SERVICE}", *password, "--json"),
        ("show", NEW),
        ("show", NEW, "--json"),
        ("invite", NEW, ALICE, "--password", "swordfish", "--dry-run"),
        ("invite", NEW, ALICE, "--password", "swordfish", "--json"),
    ):
        ran = operator("room", *arguments)
        assert ran.code == 0
        assert "swordfish" not in ran.out + ran.err
    assert server.rooms[NEW].options["password"] == "swordfish"
    server.meets("get_room_options", says(200, {"password": "swordfish too"}))
    ran = operator("room", "create", f"new3@{SERVICE}", "--option", "password=swordfish")
    assert (ran.code, "swordfish" in ran.err, "password" in ran.err) == (1, False, True)


@pytest.mark.parametrize("value", ["yes", "TRUE", "1", ""])
def test_a_room_is_not_made_with_what_is_neither_true_nor_false(
    operator: Operator, server: Played, value: str
) -> None:
    ran = operator("room", "create", NEW, "--option", f"members_only={value}")
    assert (ran.code, "members_only: expected true or false" in ran.err) == (1, True)
    assert server.changes == []


def test_no_room_is_made_at_a_host_of_users(operator: Operator, server: Played) -> None:
    ran = operator("room", "create", "tea@example.org")
    assert (ran.code, "example.org is a host of users" in ran.err) == (1, True)
    assert server.changes == []


def test_a_service_of_no_host_is_asked_for(operator: Operator, server: Played) -> None:
    server.meets("registered_vhosts", says(200, ["example.org", "other.org"]))
    ran = operator("room", "create", "new@rooms.net")
    assert (ran.code, "name it with --host" in ran.err) == (1, True)
    assert server.changes == []


def test_rooms_are_listed(operator: Operator, server: Played) -> None:
    assert operator("room", "list", "--json").json == [{"room": ROOM, "occupants": 2}]
    assert ROOM in operator("room", "list", SERVICE).out
    server.rooms = {}
    assert operator("room", "list").out == "no room is online\n"
    ran = operator("room", "list", "nowhere")
    assert (ran.code, "nowhere is no MUC service" in ran.err) == (1, True)


@pytest.mark.parametrize("release", RELEASES)
def test_a_room_is_shown_on_each_release(operator: Operator, play: Play, release: str) -> None:
    played = play(release)
    played.rooms[ROOM] = PlayedRoom(
        {f"{ALICE}/phone": "Ali"}, affiliations={BOB: "admin"}, subscribers=[CAROL]
    )
    ran = operator("room", "show", ROOM)
    assert ran.code == 0
    assert all(word in ran.out for word in ("Ali", "admin", CAROL))
    assert ("does not tell" in ran.out) is (release == "24.12")
    facts = operator("room", "show", ROOM, "--json").json
    assert facts["occupants"] == [
        {"jid": f"{ALICE}/phone", "nick": "Ali", "role": "participant"},
    ]
    assert (facts["options"] is None) is (release == "24.12")


@pytest.mark.parametrize("release", RELEASES)
def test_an_invitation_goes_to_each(operator: Operator, play: Play, release: str) -> None:
    played = play(release)
    played.rooms[ROOM] = PlayedRoom()
    ran = operator("room", "invite", ROOM, ALICE, BOB, ALICE, "--reason", "tea", "--json")
    assert (ran.code, ran.states) == (0, {ALICE: "done", BOB: "done"})
    said = [call.arguments for call in played.called("send_direct_invitation")]
    users = [ALICE, BOB] if release == "23.01" else [[ALICE], [BOB]]
    assert [each["users"] for each in said] == users
    assert {each["reason"] for each in said} == {"tea"}
    assert {each["password"] for each in said} == {"none" if release == "23.01" else ""}


@pytest.mark.parametrize(
    ("who", "said"),
    [("nobody@example.org", "does not know nobody"), (CAROL, "nobody was invited")],
)
def test_nobody_is_invited_where_one_cannot_be(
    operator: Operator, server: Played, who: str, said: str
) -> None:
    server.rooms[ROOM].affiliations[CAROL] = "outcast"
    ran = operator("room", "invite", ROOM, ALICE, who)
    assert (ran.code, said in ran.err) == (1, True)
    assert server.changes == []


@pytest.mark.parametrize(
    ("more", "code", "state"), [((), 1, "not done"), (("--member",), 0, "done")]
)
def test_a_closed_room_is_only_for_its_members(
    operator: Operator, server: Played, more: tuple[str, ...], code: int, state: str
) -> None:
    server.rooms[ROOM].options["members_only"] = "true"
    server.rooms[ROOM].affiliations[BOB] = "admin"
    ran = operator("room", "invite", ROOM, ALICE, BOB, "--json", *more)
    assert (ran.code, ran.states) == (code, {ALICE: state, BOB: "done"})
    assert server.rooms[ROOM].affiliations[BOB] == "admin"


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("nick", ["Ali", ""])
def test_a_nick_is_unregistered(operator: Operator, play: Play, release: str, nick: str) -> None:
    played = play(release)
    played.nicks = {ALICE: nick} if nick else {}
    ran = operator("room", "unregister-nick", ALICE, SERVICE, "--yes", "--json")
    assert (ran.code, ran.states, played.nicks) == (0, {ALICE: "done"}, {})
    assert bool(played.changes) is (bool(nick) or release != "26.07")
    ran = operator("room", "unregister-nick", "nobody@example.org", SERVICE, "--yes")
    assert (ran.code, "does not know" in ran.err) == (1, True)


@pytest.mark.parametrize("release", RELEASES)
def test_a_room_is_ended_once_those_in_it_are_told(
    operator: Operator, play: Play, release: str
) -> None:
    played = play(release)
    played.rooms[ROOM] = PlayedRoom({f"{ALICE}/phone": "Ali", f"{BOB}/x": "Bobby"})
    ran = operator("room", "destroy", ROOM, "--notify", "bye", "--grace", "0", "--yes")
    assert (ran.code, "destroyed; 2 were in it" in ran.out, played.rooms) == (0, True, {})
    assert played.changes == ["send_message", "send_message", "destroy_room"]
    assert played.called("send_message")[0].arguments["type"] == "groupchat"
    ran = operator("room", "destroy", ROOM, "--yes")
    assert (ran.code, f"there is no room {ROOM}" in ran.err) == (1, True)


def test_a_room_that_does_not_go_is_not_said_to_be_gone(operator: Operator, server: Played) -> None:
    server.meets("destroy_room", says(200, 0))
    ran = operator("room", "destroy", ROOM, "--yes")
    assert (ran.code, "the room is still there" in ran.err) == (1, True)
    server.meets("destroy_room", lost)
    ran = operator("room", "destroy", ROOM, "--yes")
    assert (ran.code, "it is unknown whether ejabberd executed it" in ran.err) == (1, True)


def test_what_is_not_seen_after_the_end_is_not_said_to_be_undone(
    operator: Operator, server: Played
) -> None:
    server.meets("get_room_affiliations", usual, lost)
    ran = operator("room", "destroy", ROOM, "--yes")
    assert (ran.code, "it is unknown whether ejabberd executed it" in ran.err) == (1, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("create", NEW, "--option", "persistent=true"),
        ("invite", ROOM, CAROL, "--member", "--reason", "tea"),
        ("remove", ROOM, ALICE, "--notify", "bye"),
        ("remove", ROOM, ALICE, "--ban"),
        ("remove", ROOM, CAROL, "--unban"),
        ("destroy", ROOM, "--notify", "bye"),
        ("unregister-nick", ALICE, SERVICE),
    ],
)
def test_a_dry_run_changes_nothing_and_shows_each_call(
    operator: Operator, server: Played, arguments: tuple[str, ...]
) -> None:
    server.nicks = {ALICE: "Ali"}
    server.rooms[ROOM].subscribers = [ALICE]
    if "--unban" in arguments:
        server.rooms[ROOM].affiliations[CAROL] = "outcast"
    dry = operator("room", *arguments, "--dry-run")
    assert (dry.code, server.changes) == (0, [])
    assert operator("room", *arguments, "--dry-run", "--json").json
    assert not (operator.folder / "state").exists()
    more = ("--yes", "--grace", "0") if arguments[0] in ("remove", "destroy") else ("--yes",)
    operator("room", *arguments, *more)
    would = [line.split()[2] for line in dry.err.splitlines() if line.startswith("would call:")]
    assert would == [call.path for call in server.calls if call.command in server.changes]
    assert would


def test_many_are_taken_out_at_once_and_one_that_fails_does_not_keep_the_others(
    operator: Operator, server: Played
) -> None:
    server.meets("set_room_affiliation", usual, usual, says(403, "no right"))
    leavers = operator.folder / "leavers"
    leavers.write_text("alice@example.org\nbob@example.org\ncarol@example.org\n")
    ran = operator("room", "remove", ROOM, "--from", str(leavers), "--yes", "--json")
    assert ran.states == {
        "alice@example.org": "done",
        "bob@example.org": "not done",
        "carol@example.org": "done",  # who was not in it
    }
    assert list(server.rooms[ROOM].occupants) == ["bob@example.org/pad"]
    assert operator("room", "remove", ROOM, "--from", str(leavers), "--yes").code == 0
    assert server.rooms[ROOM].occupants == {}


def test_many_are_invited_from_a_list(operator: Operator, server: Played) -> None:
    given = b"alice@example.org\nbob@example.org\n"
    assert operator("room", "invite", ROOM, "--from", "-", stdin=given).code == 0
    invited = [call.arguments["users"] for call in server.called("send_direct_invitation")]
    assert invited == [["alice@example.org"], ["bob@example.org"]]
