"""The form in which each release is called, and how its results are parsed."""

from typing import Any

import pytest

from extauth_http.ejabberd_api.releases import (
    FORMS,
    Release,
    forms_for,
    parse_count,
    parse_log_level,
    parse_release,
    parse_version,
)

ROOM = {"room": "tea", "service": "conference.example.org"}
OLD_ROOM = {"name": "tea", "service": "conference.example.org"}
USER = {"user": "alice", "host": "example.org"}
JID = {"jid": "alice@example.org"}
OPTION = {"option": "title", "value": "Tea"}
INVITATION = {"password": "", "reason": "", "users": ["alice@example.org", "bob@example.org"]}

CALLS: dict[str, dict[str, Any]] = {
    "change_room_option": {**ROOM, **OPTION},
    "create_room_with_opts": {**ROOM, "host": "example.org", "options": []},
    "destroy_room": ROOM,
    "get_room_affiliations": ROOM,
    "get_room_occupants": ROOM,
    "get_room_options": ROOM,
    "get_subscribers": ROOM,
    "ban_account": {**USER, "reason": "spam"},
    "unban_account": USER,
    "get_ban_details": USER,
    "get_mam_count": USER,
    "list_banned": {"host": "example.org"},
    "kick_user": USER,
    "muc_get_registered_nick": {**USER, "service": "conference.example.org"},
    "muc_unregister_nick": {**USER, "service": "conference.example.org"},
    "send_direct_invitation": {**ROOM, **INVITATION},
    "set_room_affiliation": {**ROOM, **USER, "affiliation": "none"},
    "unsubscribe_room": {**ROOM, **USER},
}
"""Each command of the table with its arguments by their newest names."""

EARLY, LATE = Release(23, 1), Release(26, 7)
RENAMED = [
    (command, release, path, {**arguments} if is_new else {**rest, "name": "tea"})
    for command in (
        *("change_room_option", "create_room_with_opts", "destroy_room"),
        *("get_room_occupants", "get_room_options", "get_subscribers", "get_room_affiliations"),
    )
    for arguments in [CALLS[command]]
    for rest in [{key: value for key, value in arguments.items() if key != "room"}]
    for release, is_new in [(EARLY, False), ((24, 10), False), ((24, 12), True), (LATE, True)]
    for path in [
        f"{command}/v3" if command == "get_room_affiliations" and is_new else command,
    ]
]
JOINED = {
    **OLD_ROOM,
    "password": "none",
    "reason": "none",
    "users": "alice@example.org:bob@example.org",
}
OLD_AFFILIATION = {**OLD_ROOM, **JID, "affiliation": "none"}
JIDS = {"user": "alice@example.org", "room": "tea@conference.example.org"}
AT_SERVICE = {**JID, "service": "conference.example.org"}
SPECIAL: list[tuple[str, tuple[int, int], str, dict[str, Any]]] = [
    ("kick_user", EARLY, "kick_user", {**USER}),
    ("kick_user", (24, 2), "kick_user", {**USER}),
    ("kick_user", (24, 6), "kick_user/v2", {**USER}),
    ("kick_user", LATE, "kick_user/v2", {**USER}),
    ("ban_account", (25, 8), "ban_account/v2", {**USER, "reason": "spam"}),
    ("ban_account", LATE, "ban_account/v2", {**USER, "reason": "spam"}),
    ("unban_account", LATE, "unban_account/v2", {**USER}),
    ("get_ban_details", LATE, "get_ban_details/v2", {**USER}),
    ("get_mam_count", (24, 10), "get_mam_count", {**USER}),
    ("list_banned", (25, 10), "list_banned", {"host": "example.org"}),
    ("muc_unregister_nick", EARLY, "muc_unregister_nick", AT_SERVICE),
    ("muc_unregister_nick", (24, 10), "muc_unregister_nick", AT_SERVICE),
    ("muc_unregister_nick", (24, 12), "muc_unregister_nick/v0", AT_SERVICE),
    ("muc_unregister_nick", LATE, "muc_unregister_nick/v0", AT_SERVICE),
    (
        *("muc_get_registered_nick", (25, 10), "muc_get_registered_nick"),
        {**USER, "service": "conference.example.org"},
    ),
    ("send_direct_invitation", EARLY, "send_direct_invitation", JOINED),
    ("send_direct_invitation", (23, 10), "send_direct_invitation", JOINED),
    ("send_direct_invitation", (24, 2), "send_direct_invitation/v1", {**OLD_ROOM, **INVITATION}),
    ("send_direct_invitation", (24, 10), "send_direct_invitation/v1", {**OLD_ROOM, **INVITATION}),
    ("send_direct_invitation", (24, 12), "send_direct_invitation/v1", {**ROOM, **INVITATION}),
    ("send_direct_invitation", LATE, "send_direct_invitation/v1", {**ROOM, **INVITATION}),
    ("set_room_affiliation", EARLY, "set_room_affiliation", OLD_AFFILIATION),
    ("set_room_affiliation", (24, 10), "set_room_affiliation", OLD_AFFILIATION),
    (
        *("set_room_affiliation", (24, 12), "set_room_affiliation/v3"),
        {**ROOM, **USER, "affiliation": "none"},
    ),
    ("unsubscribe_room", EARLY, "unsubscribe_room", JIDS),
    ("unsubscribe_room", (24, 10), "unsubscribe_room", JIDS),
    ("unsubscribe_room", (24, 12), "unsubscribe_room/v3", {**ROOM, **USER}),
    ("unsubscribe_room", LATE, "unsubscribe_room/v3", {**ROOM, **USER}),
]


@pytest.mark.parametrize(("command", "release", "path", "arguments"), [*RENAMED, *SPECIAL])
def test_a_release_is_called_in_its_own_form(
    command: str, release: tuple[int, int], path: str, arguments: dict[str, Any]
) -> None:
    form = forms_for(command, Release(*release))[0]
    assert (form.path, form.encode(CALLS[command])) == (path, arguments)


def test_each_command_of_the_table_is_tested() -> None:
    assert {command for command, *_ in [*RENAMED, *SPECIAL]} == set(FORMS)


@pytest.mark.parametrize(
    "release", [EARLY, Release(23, 10), Release(24, 12), Release(25, 4), LATE, Release(27, 1), None]
)
def test_a_command_that_never_changed_has_one_form(release: Release | None) -> None:
    (form,) = forms_for("send_message", release)
    assert (form.path, form.encode({"body": "x"})) == ("send_message", {"body": "x"})


@pytest.mark.parametrize(
    ("command", "last_without"),
    [
        ("muc_get_registered_nick", Release(25, 9)),
        ("ban_account", Release(25, 7)),
        ("unban_account", Release(25, 7)),
        ("list_banned", Release(25, 9)),
        ("get_mam_count", Release(24, 9)),
    ],
)
def test_a_release_without_a_command_has_no_form_of_it(command: str, last_without: Release) -> None:
    assert forms_for(command, last_without) == []


@pytest.mark.parametrize("command", FORMS)
def test_without_a_release_all_forms_are_tried_newest_first(command: str) -> None:
    found = forms_for(command, None)
    assert [form.since for form in found] == sorted({form.since for form in FORMS[command]})[::-1]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (
            "The node n@h is started. Status: startedejabberd 23.01-1 is running in that node",
            (23, 1),
        ),
        (
            "The node n@h is started. Status: started\nejabberd 26.07 is running in that node",
            (26, 7),
        ),
        ("Status: started\nejabberd 24.12-3+deb13u2 is running in that node", (24, 12)),
        ("The node ejabberd@h is started. Status: started\nejabberd 23.10.38 is running", (23, 10)),
        ("ejabberd is not running in that node", None),
        ({"status": "error"}, None),
        (None, None),
        (7, None),
    ],
)
def test_the_release_is_read_from_the_status(
    status: object, expected: tuple[int, int] | None
) -> None:
    assert parse_release(status) == expected


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (2, 2),
        (0, 0),
        ({"num_resources": 1}, 1),
        ("Kicked sessions: 12", 12),
        (True, None),
        (1.5, None),
        ("none", None),
        ({}, None),
        ({"a": 1, "b": 2}, None),
        ([1], None),
        (None, None),
    ],
)
def test_a_count_is_parsed_in_each_form(result: object, expected: int | None) -> None:
    assert parse_count(result) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("Status: startedejabberd 23.01-1 is running in that node", "23.01-1"),
        ("Status: started\nejabberd 24.12-3+deb13u2 is running in that node", "24.12-3+deb13u2"),
        ("ejabberd is not running in that node", ""),
        (None, ""),
    ],
)
def test_the_version_is_read_from_the_status(status: object, expected: str) -> None:
    assert parse_version(status) == expected


@pytest.mark.parametrize(
    ("result", "expected"), [({"levelatom": "info"}, "info"), ("warning", "warning")]
)
def test_the_log_level_is_parsed_in_each_form(result: object, expected: str) -> None:
    assert parse_log_level(result) == expected


@pytest.mark.parametrize(
    ("release", "text"), [(Release(24, 2), "24.02"), (Release(25, 10), "25.10")]
)
def test_a_release_is_written_as_ejabberd_writes_it(release: Release, text: str) -> None:
    assert str(release) == text
