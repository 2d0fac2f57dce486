"""Rooms as the server tells of them, in each release's words."""

import pytest

from extauth_http.admin import rooms
from extauth_http.admin.rooms import RoomNotFoundError
from extauth_http.config.ejabberd import EjabberdSettings
from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.ejabberd_api.errors import ApiError
from extauth_http.protocol.jid import Jid
from tests.admin.operator import ROOM
from tests.admin.played import RELEASES, SERVICE, Played, PlayedRoom, says

TEA = Jid.parse(ROOM)
ALICE = Jid("alice", "example.org")


def api(played: Played) -> ApiClient:
    return ApiClient(EjabberdSettings.model_validate({"api": played.url}))


@pytest.mark.parametrize("release", RELEASES)
def test_a_room_is_looked_at_on_each_release(release: str) -> None:
    with Played(release) as played:
        played.rooms[ROOM] = PlayedRoom(
            {"Alice@Example.org/phone": "Ali", "alice@example.org.evil/x": "Ali2"},
            {"Alice@Example.org/phone": "moderator"},
            {"alice@example.org": "owner"},
            ["bob@example.org"],
            {"persistent": "true", "title": "Tea"},
        )
        room = rooms.look(api(played), TEA)
    assert [(one.nick, one.role) for one in room.occupants_of(ALICE)] == [("Ali", "moderator")]
    assert room.affiliation_of(ALICE) == "owner"
    assert room.affiliation_of(Jid("bob", "example.org")) == "none"
    assert room.subscribers == ["bob@example.org"]
    told = None if release == "24.12" else {"persistent": "true", "title": "Tea"}
    assert room.options == told


def test_options_are_read_as_a_list_too() -> None:
    with Played() as played:
        played.rooms[ROOM] = PlayedRoom()
        played.meets("get_room_options", says(200, [{"name": "title", "value": "Tea"}]))
        assert rooms.look(api(played), TEA).options == {"title": "Tea"}


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("get_room_affiliations", {}),
        ("get_room_affiliations", [{"jid": "x"}]),
        ("get_room_affiliations", [{"username": "x", "affiliation": "none", "reason": ""}]),
        ("get_room_affiliations", "nothing"),
        ("get_room_occupants", [["x", "y", "z"]]),
        ("get_room_occupants", [{"jid": "x", "nick": "y"}]),
        ("get_subscribers", 0),
        ("get_room_options", "nothing"),
        ("get_room_options", 0),
        ("get_room_options", [{"name": "title"}]),
    ],
)
def test_a_room_of_another_shape_is_an_error_that_names_the_command(
    command: str, answer: object
) -> None:
    with Played() as played:
        played.rooms[ROOM] = PlayedRoom()
        played.meets(command, says(200, answer))
        with pytest.raises(
            ApiError, match=rf"^{command}: ejabberd returned a result of an unexpected form"
        ):
            rooms.look(api(played), TEA)


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("room", [f"nothing@{SERVICE}", "tea@nowhere.example.org"])
def test_a_room_that_is_not_there_is_said_so_on_each_release(release: str, room: str) -> None:
    with (
        Played(release) as played,
        pytest.raises(RoomNotFoundError, match=rf"^there is no room {room}: ejabberd answers"),
    ):
        rooms.look(api(played), Jid.parse(room))


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (500, "internal_error"),
        (400, "Request have unknown arguments: [room]"),
        (401, "You are not authorized to call this command."),
        (404, "Endpoint not found."),
    ],
)
def test_an_error_that_says_nothing_of_the_room_does_not_make_it_gone(
    status: int, said: str
) -> None:
    with Played() as played:
        played.rooms[ROOM] = PlayedRoom()
        played.meets("get_room_affiliations", *[says(status, said)] * 2)
        with pytest.raises(ApiError, match=r"^get_room_affiliations: "):
            rooms.look(api(played), TEA)


@pytest.mark.parametrize("answer", [[{"jid": "x"}], {}, [{"jid": "x", "participants": "?"}]])
def test_a_list_of_another_shape_is_an_error(answer: object) -> None:
    with Played() as played:
        played.meets("muc_online_rooms_by_regex", says(200, answer))
        with pytest.raises(ApiError, match="muc_online_rooms_by_regex"):
            rooms.online(api(played), "global")


@pytest.mark.parametrize(
    ("service", "served", "host"),
    [
        ("conference.example.org", ["example.org"], "example.org"),
        ("conference.example.org", ["example.org", "other.org"], "example.org"),
        ("muc.a.example.org", ["example.org", "a.example.org"], "a.example.org"),
        ("rooms.net", ["example.org"], "example.org"),
        ("rooms.net", ["example.org", "other.org"], ""),
        ("conference.notexample.org", ["example.org", "other.org"], ""),
    ],
)
def test_the_host_of_a_service_is_seen_from_its_name(
    service: str, served: list[str], host: str
) -> None:
    assert rooms.host_of(service, served) == host


@pytest.mark.parametrize("answer", [0, None, {"nick": "x"}])
def test_a_nick_of_another_shape_is_an_error(answer: object) -> None:
    with Played() as played:
        played.meets("muc_get_registered_nick", says(200, answer))
        with pytest.raises(ApiError, match="muc_get_registered_nick"):
            rooms.registered_nick(api(played), ALICE, SERVICE)
