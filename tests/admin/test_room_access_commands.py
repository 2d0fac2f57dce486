"""``extauth-http room invite`` and ``room remove``, as an operator sees them."""

import pytest

from tests.admin.fake_commands import SERVICE, FakeRoom
from tests.admin.fake_ejabberd import RELEASES, FakeEjabberd, execute, respond
from tests.admin.operator import ROOM, Operator, Play

ALICE, BOB, CAROL = "alice@example.org", "bob@example.org", "carol@example.org"


NEW = f"new@{SERVICE}"


@pytest.mark.parametrize("release", RELEASES)
def test_each_user_receives_an_invitation(operator: Operator, play: Play, release: str) -> None:
    fake = play(release)
    fake.rooms[ROOM] = FakeRoom()
    result = operator("room", "invite", ROOM, ALICE, BOB, ALICE, "--reason", "tea", "--json")
    assert (result.code, result.states) == (0, {ALICE: "done", BOB: "done"})
    sent = [call.arguments for call in fake.called("send_direct_invitation")]
    users = [ALICE, BOB] if release == "23.01" else [[ALICE], [BOB]]
    assert [each["users"] for each in sent] == users
    assert {each["reason"] for each in sent} == {"tea"}
    assert {each["password"] for each in sent} == {"none" if release == "23.01" else ""}


@pytest.mark.parametrize(
    ("user", "problem"),
    [("nobody@example.org", "does not know nobody"), (CAROL, "nobody was invited")],
)
def test_nobody_is_invited_if_one_user_cannot_be(
    operator: Operator, server: FakeEjabberd, user: str, problem: str
) -> None:
    server.rooms[ROOM].affiliations[CAROL] = "outcast"
    result = operator("room", "invite", ROOM, ALICE, user)
    assert (result.code, problem in result.err) == (1, True)
    assert server.changes == []


@pytest.mark.parametrize(
    ("more", "code", "state"), [((), 1, "not done"), (("--member",), 0, "done")]
)
def test_a_closed_room_admits_only_members(
    operator: Operator, server: FakeEjabberd, more: tuple[str, ...], code: int, state: str
) -> None:
    server.rooms[ROOM].options["members_only"] = "true"
    server.rooms[ROOM].affiliations[BOB] = "admin"
    result = operator("room", "invite", ROOM, ALICE, BOB, "--json", *more)
    assert (result.code, result.states) == (code, {ALICE: state, BOB: "done"})
    assert server.rooms[ROOM].affiliations[BOB] == "admin"


def test_the_other_users_are_removed_if_one_fails(operator: Operator, server: FakeEjabberd) -> None:
    server.script("set_room_affiliation", execute, execute, respond(403, "no right"))
    leavers = operator.folder / "leavers"
    leavers.write_text("alice@example.org\nbob@example.org\ncarol@example.org\n")
    result = operator("room", "remove", ROOM, "--from", str(leavers), "--yes", "--json")
    assert result.states == {
        "alice@example.org": "done",
        "bob@example.org": "not done",
        "carol@example.org": "done",  # was not in the room
    }
    assert list(server.rooms[ROOM].occupants) == ["bob@example.org/pad"]
    assert operator("room", "remove", ROOM, "--from", str(leavers), "--yes").code == 0
    assert server.rooms[ROOM].occupants == {}


def test_the_users_of_a_list_are_invited(operator: Operator, server: FakeEjabberd) -> None:
    given = b"alice@example.org\nbob@example.org\n"
    assert operator("room", "invite", ROOM, "--from", "-", stdin=given).code == 0
    invited = [call.arguments["users"] for call in server.called("send_direct_invitation")]
    assert invited == [["alice@example.org"], ["bob@example.org"]]
