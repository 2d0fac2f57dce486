"""Which form of each command each release gets."""

from typing import Any

import pytest

from extauth_http.admin.releases import FORMS, forms, number, release_of, since

GIVEN: dict[str, dict[str, Any]] = {
    "kick_user": {"user": "a", "host": "h"},
    "set_room_affiliation": {
        "room": "r",
        "service": "s",
        "user": "a",
        "host": "h",
        "affiliation": "member",
    },
    "send_direct_invitation": {
        "room": "r",
        "service": "s",
        "password": "",
        "reason": "",
        "users": ["a@h", "b@h"],
    },
    "muc_unregister_nick": {"user": "a", "host": "h", "service": "s"},
    "unsubscribe_room": {"room": "r", "service": "s", "user": "a", "host": "h"},
    "destroy_room": {"room": "r", "service": "s"},
    "get_room_affiliations": {"room": "r", "service": "s"},
}
BY_JID = {"name": "r", "service": "s", "jid": "a@h", "affiliation": "member"}
INVITED = {"password": "", "reason": "", "users": ["a@h", "b@h"]}
JOINED = {"name": "r", "service": "s", "password": "none", "reason": "none", "users": "a@h:b@h"}


@pytest.mark.parametrize(
    ("command", "release", "path", "arguments"),
    [
        ("kick_user", (23, 1), "kick_user", GIVEN["kick_user"]),
        ("kick_user", (24, 2), "kick_user", GIVEN["kick_user"]),
        ("kick_user", (24, 6), "kick_user/v2", GIVEN["kick_user"]),
        ("kick_user", (26, 7), "kick_user/v2", GIVEN["kick_user"]),
        ("set_room_affiliation", (23, 1), "set_room_affiliation", BY_JID),
        ("set_room_affiliation", (24, 10), "set_room_affiliation", BY_JID),
        (
            "set_room_affiliation",
            (24, 12),
            "set_room_affiliation/v3",
            GIVEN["set_room_affiliation"],
        ),
        ("send_direct_invitation", (23, 1), "send_direct_invitation", JOINED),
        (
            "send_direct_invitation",
            (24, 2),
            "send_direct_invitation/v1",
            {"name": "r", "service": "s", **INVITED},
        ),
        (
            "send_direct_invitation",
            (26, 7),
            "send_direct_invitation/v1",
            {"room": "r", "service": "s", **INVITED},
        ),
        ("muc_unregister_nick", (23, 1), "muc_unregister_nick", {"jid": "a@h", "service": "s"}),
        ("muc_unregister_nick", (26, 7), "muc_unregister_nick/v0", {"jid": "a@h", "service": "s"}),
        ("unsubscribe_room", (23, 1), "unsubscribe_room", {"user": "a@h", "room": "r@s"}),
        ("unsubscribe_room", (24, 12), "unsubscribe_room/v3", GIVEN["unsubscribe_room"]),
        ("destroy_room", (23, 1), "destroy_room", {"name": "r", "service": "s"}),
        ("destroy_room", (24, 12), "destroy_room", {"room": "r", "service": "s"}),
        (
            "get_room_affiliations",
            (24, 12),
            "get_room_affiliations/v3",
            {"room": "r", "service": "s"},
        ),
    ],
)
def test_a_release_is_spoken_to_in_its_own_language(
    command: str, release: tuple[int, int], path: str, arguments: dict[str, Any]
) -> None:
    form = forms(command, release)[0]
    assert (form.path, form.spoken(GIVEN[command])) == (path, arguments)


def test_the_forms_of_other_releases_come_after_a_releases_own_and_none_is_left_out() -> None:
    for command, known in FORMS.items():
        assert list(known) == sorted(known, key=lambda form: form.since, reverse=True), command
        for release in ((23, 1), (24, 2), (24, 7), (24, 12), (26, 7), (30, 1)):
            if release >= since(command):
                found = forms(command, release)
                assert found[0].since <= release
                assert set(found) == set(known)


def test_without_a_release_the_newest_form_goes_first() -> None:
    assert forms("kick_user", None)[0].path == "kick_user/v2"
    assert [form.path for form in forms("send_message", None)] == ["send_message"]


def test_a_release_that_does_not_have_a_command_yet_has_no_form_of_it() -> None:
    assert forms("muc_get_registered_nick", (24, 12)) == []
    assert since("muc_get_registered_nick") == (25, 10)


@pytest.mark.parametrize(
    ("status", "release"),
    [
        ("The node n@h is started. Status: startedejabberd 23.01-1 is running", (23, 1)),
        ("Status: started\nejabberd 24.12-3+deb13u2 is running in that node", (24, 12)),
        ("ejabberd 26.7 is running", (26, 7)),
        ("ejabberd is not running", None),
        (0, None),
        (None, None),
    ],
)
def test_the_release_is_read_from_the_status(status: object, release: object) -> None:
    assert release_of(status) == release


@pytest.mark.parametrize(
    ("said", "count"),
    [
        (2, 2),
        (0, 0),
        ({"num_resources": 3}, 3),
        ("Kicked sessions: 12", 12),
        ("Kicked sessions: ", None),
        (True, None),
        ({"a": 1, "b": 2}, None),
        ([], None),
        (None, None),
    ],
)
def test_a_count_is_understood_however_it_is_told(said: object, count: int | None) -> None:
    assert number(said) == count
