"""``extauth-http room …``, as an operator sees it."""

import pytest

from tests.admin.fake_commands import SERVICE, FakeRoom
from tests.admin.fake_ejabberd import RELEASES, FakeEjabberd, drop_response, execute, respond
from tests.admin.operator import ROOM, Operator, Play

ALICE, BOB, CAROL = "alice@example.org", "bob@example.org", "carol@example.org"


NEW = f"new@{SERVICE}"


def test_the_password_of_a_room_is_not_shown(operator: Operator, server: FakeEjabberd) -> None:
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
        result = operator("room", *arguments)
        assert result.code == 0
        assert "swordfish" not in result.out + result.err
    assert server.rooms[NEW].options["password"] == "swordfish"
    server.script("get_room_options", respond(200, {"password": "swordfish too"}))
    result = operator("room", "create", f"new3@{SERVICE}", "--option", "password=swordfish")
    assert (result.code, "swordfish" in result.err, "password" in result.err) == (1, False, True)


def test_rooms_are_listed(operator: Operator, server: FakeEjabberd) -> None:
    assert operator("room", "list", "--json").json == [{"room": ROOM, "occupants": 2}]
    assert ROOM in operator("room", "list", SERVICE).out
    server.rooms = {}
    assert operator("room", "list").out == "no room is online\n"
    result = operator("room", "list", "nowhere")
    assert (result.code, "nowhere is not a MUC service" in result.err) == (1, True)


@pytest.mark.parametrize("release", RELEASES)
def test_a_room_is_shown_on_each_release(operator: Operator, play: Play, release: str) -> None:
    fake = play(release)
    fake.rooms[ROOM] = FakeRoom(
        {f"{ALICE}/phone": "Ali"}, affiliations={BOB: "admin"}, subscribers=[CAROL]
    )
    result = operator("room", "show", ROOM)
    assert result.code == 0
    assert all(word in result.out for word in ("Ali", "admin", CAROL))
    assert ("does not return the options" in result.out) is (release == "24.12")
    facts = operator("room", "show", ROOM, "--json").json
    assert facts["occupants"] == [
        {"jid": f"{ALICE}/phone", "nick": "Ali", "role": "participant"},
    ]
    assert (facts["options"] is None) is (release == "24.12")


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("nick", ["Ali", ""])
def test_a_nick_is_unregistered(operator: Operator, play: Play, release: str, nick: str) -> None:
    fake = play(release)
    fake.nicks = {ALICE: nick} if nick else {}
    result = operator("room", "unregister-nick", ALICE, SERVICE, "--yes", "--json")
    assert (result.code, result.states, fake.nicks) == (0, {ALICE: "done"}, {})
    assert bool(fake.changes) is (bool(nick) or release != "26.07")
    result = operator("room", "unregister-nick", "nobody@example.org", SERVICE, "--yes")
    assert (result.code, "does not know" in result.err) == (1, True)


@pytest.mark.parametrize("release", RELEASES)
def test_a_room_is_destroyed_after_its_occupants_are_notified(
    operator: Operator, play: Play, release: str
) -> None:
    fake = play(release)
    fake.rooms[ROOM] = FakeRoom({f"{ALICE}/phone": "Ali", f"{BOB}/x": "Bobby"})
    result = operator("room", "destroy", ROOM, "--notify", "bye", "--grace", "0", "--yes")
    assert (result.code, "destroyed; it had 2 occupants" in result.out, fake.rooms) == (0, True, {})
    assert fake.changes == ["send_message", "send_message", "destroy_room"]
    assert fake.called("send_message")[0].arguments["type"] == "groupchat"
    result = operator("room", "destroy", ROOM, "--yes")
    assert (result.code, f"there is no room {ROOM}" in result.err) == (1, True)


def test_a_room_that_still_exists_is_not_reported_as_destroyed(
    operator: Operator, server: FakeEjabberd
) -> None:
    server.script("destroy_room", respond(200, 0))
    result = operator("room", "destroy", ROOM, "--yes")
    assert (result.code, "the room still exists" in result.err) == (1, True)
    server.script("destroy_room", drop_response)
    result = operator("room", "destroy", ROOM, "--yes")
    assert (result.code, "it is unknown whether ejabberd executed it" in result.err) == (1, True)


def test_the_result_is_not_known_if_the_room_cannot_be_read(
    operator: Operator, server: FakeEjabberd
) -> None:
    server.script("get_room_affiliations", execute, drop_response)
    result = operator("room", "destroy", ROOM, "--yes")
    assert (result.code, "it is unknown whether ejabberd executed it" in result.err) == (1, True)


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
    operator: Operator, server: FakeEjabberd, arguments: tuple[str, ...]
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
