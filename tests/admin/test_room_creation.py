"""A room is created with exactly the requested options, or not at all."""

import pytest

from tests.admin.fake_commands import SERVICE
from tests.admin.fake_ejabberd import RELEASES, FakeEjabberd, drop_response, execute, respond
from tests.admin.operator import ROOM, Operator, Play

ALICE, BOB, CAROL = "alice@example.org", "bob@example.org", "carol@example.org"


NEW = f"new@{SERVICE}"


@pytest.mark.parametrize("release", RELEASES)
def test_a_room_is_created_with_its_options(operator: Operator, play: Play, release: str) -> None:
    fake = play(release)
    result = operator("room", "create", NEW, "--option", "persistent=true", "--option", "title=T=1")
    assert (result.code, result.out) == (0, f"{NEW} was created\n")
    options = fake.rooms[NEW].options
    assert (options["persistent"], options["title"]) == ("true", "T=1")
    result = operator("room", "create", f"brief@{SERVICE}")
    assert "as long as it has occupants" in result.out


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("option", ["nonsense=true", "title=swordfish"])
def test_a_room_without_a_requested_option_is_destroyed_again(
    operator: Operator, play: Play, release: str, option: str
) -> None:
    fake = play(release)
    if option.startswith("title"):
        if release == "24.12":
            fake.script("change_room_option", respond(500, "internal_error"))
        other = {"title": "other", "persistent": "false"}
        fake.script("get_room_options", execute if release == "24.12" else respond(200, other))
    result = operator("room", "create", NEW, "--option", option)
    assert (result.code, result.out) == (1, "")
    assert option.partition("=")[0] in result.err
    assert "was not created" in result.err
    assert fake.rooms == {}
    assert fake.changes[-1] == "destroy_room"


def test_a_new_room_that_cannot_be_destroyed_again_is_reported(
    operator: Operator, server: FakeEjabberd
) -> None:
    server.script("destroy_room", respond(500, "internal_error"))
    result = operator("room", "create", NEW, "--option", "nonsense=true")
    assert (result.code, "could not be destroyed again (destroy_room" in result.err) == (1, True)


def test_a_new_room_that_cannot_be_read_is_reported(
    operator: Operator, server: FakeEjabberd
) -> None:
    server.script("get_room_affiliations", drop_response)
    result = operator("room", "create", NEW)
    assert (result.code, f"{NEW} was created, but" in result.err) == (1, True)
    assert NEW in server.rooms


def test_an_existing_room_is_not_changed(operator: Operator, server: FakeEjabberd) -> None:
    result = operator("room", "create", ROOM, "--option", "title=other")
    assert (result.code, "Room already exists" in result.err) == (1, True)
    assert server.changes == ["create_room_with_opts"]
    assert len(server.rooms[ROOM].occupants) == 2


@pytest.mark.parametrize("value", ["yes", "TRUE", "1", ""])
def test_a_room_is_not_created_with_another_word_than_true_or_false(
    operator: Operator, server: FakeEjabberd, value: str
) -> None:
    result = operator("room", "create", NEW, "--option", f"members_only={value}")
    assert (result.code, "members_only: expected true or false" in result.err) == (1, True)
    assert server.changes == []


def test_no_room_is_created_at_a_virtual_host(operator: Operator, server: FakeEjabberd) -> None:
    result = operator("room", "create", "tea@example.org")
    assert (result.code, "example.org is a virtual host" in result.err) == (1, True)
    assert server.changes == []


def test_a_service_of_unknown_host_needs_host(operator: Operator, server: FakeEjabberd) -> None:
    server.script("registered_vhosts", respond(200, ["example.org", "other.org"]))
    result = operator("room", "create", "new@rooms.net")
    assert (result.code, "set --host to one of" in result.err) == (1, True)
    assert server.changes == []
