"""The state of a room, as each release returns it."""

import pytest

from extauth_http.admin import rooms
from extauth_http.admin.rooms import RoomNotFoundError
from extauth_http.config.ejabberd import EjabberdSettings
from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.ejabberd_api.errors import ApiError
from extauth_http.protocol.jid import Jid
from tests.admin.fake_commands import SERVICE, FakeRoom
from tests.admin.fake_ejabberd import RELEASES, FakeEjabberd, respond
from tests.admin.operator import ROOM

TEA = Jid.parse(ROOM)
ALICE = Jid("alice", "example.org")


def api(fake: FakeEjabberd) -> ApiClient:
    return ApiClient(EjabberdSettings.model_validate({"api": fake.url}))


@pytest.mark.parametrize("release", RELEASES)
def test_a_room_is_read_on_each_release(release: str) -> None:
    with FakeEjabberd(release) as fake:
        fake.rooms[ROOM] = FakeRoom(
            {"Alice@Example.org/phone": "Ali", "alice@example.org.evil/x": "Ali2"},
            {"Alice@Example.org/phone": "moderator"},
            {"alice@example.org": "owner"},
            ["bob@example.org"],
            {"persistent": "true", "title": "Tea"},
        )
        room = rooms.read_room(api(fake), TEA)
    assert [(one.nick, one.role) for one in room.occupants_of(ALICE)] == [("Ali", "moderator")]
    assert room.affiliation_of(ALICE) == "owner"
    assert room.affiliation_of(Jid("bob", "example.org")) == "none"
    assert room.subscribers == ["bob@example.org"]
    options = None if release == "24.12" else {"persistent": "true", "title": "Tea"}
    assert room.options == options


def test_options_can_be_a_list() -> None:
    with FakeEjabberd() as fake:
        fake.rooms[ROOM] = FakeRoom()
        fake.script("get_room_options", respond(200, [{"name": "title", "value": "Tea"}]))
        assert rooms.read_room(api(fake), TEA).options == {"title": "Tea"}


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
def test_a_result_of_another_form_is_an_error_that_names_the_command(
    command: str, answer: object
) -> None:
    with FakeEjabberd() as fake:
        fake.rooms[ROOM] = FakeRoom()
        fake.script(command, respond(200, answer))
        with pytest.raises(
            ApiError, match=rf"^{command}: ejabberd returned a result of an unexpected form"
        ):
            rooms.read_room(api(fake), TEA)


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("room", [f"nothing@{SERVICE}", "tea@nowhere.example.org"])
def test_a_missing_room_is_an_error_on_each_release(release: str, room: str) -> None:
    with (
        FakeEjabberd(release) as fake,
        pytest.raises(RoomNotFoundError, match=rf"^there is no room {room} \(ejabberd answers"),
    ):
        rooms.read_room(api(fake), Jid.parse(room))


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (500, "internal_error"),
        (400, "Request have unknown arguments: [room]"),
        (401, "You are not authorized to call this command."),
        (404, "Endpoint not found."),
    ],
)
def test_another_error_does_not_mean_that_the_room_is_gone(status: int, answer: str) -> None:
    with FakeEjabberd() as fake:
        fake.rooms[ROOM] = FakeRoom()
        fake.script("get_room_affiliations", *[respond(status, answer)] * 2)
        with pytest.raises(ApiError, match=r"^get_room_affiliations: "):
            rooms.read_room(api(fake), TEA)


@pytest.mark.parametrize("answer", [[{"jid": "x"}], {}, [{"jid": "x", "participants": "?"}]])
def test_a_list_of_another_form_is_an_error(answer: object) -> None:
    with FakeEjabberd() as fake:
        fake.script("muc_online_rooms_by_regex", respond(200, answer))
        with pytest.raises(ApiError, match="muc_online_rooms_by_regex"):
            rooms.list_rooms(api(fake), "global")


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
def test_the_host_of_a_service_follows_from_its_name(
    service: str, served: list[str], host: str
) -> None:
    assert rooms.host_of(service, served) == host


@pytest.mark.parametrize("answer", [0, None, {"nick": "x"}])
def test_a_nick_of_another_form_is_an_error(answer: object) -> None:
    with FakeEjabberd() as fake:
        fake.script("muc_get_registered_nick", respond(200, answer))
        with pytest.raises(ApiError, match="muc_get_registered_nick"):
            rooms.registered_nick(api(fake), ALICE, SERVICE)
