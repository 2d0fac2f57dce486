"""What is no command is refused before anything is asked of the server."""

import re

import pytest

from tests.admin.operator import ROOM, Operator
from tests.admin.played import Played

ALICE = "alice@example.org"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("user",), "required: COMMAND"),
        (("room",), "required: COMMAND"),
        (("user", "kick", "alice"), "expected USER@HOST, not 'alice'"),
        (("user", "kick", f"{ALICE}/phone"), "without a resource"),
        (("user", "kick", ALICE, "--resource", ""), "expected something, not nothing"),
        (("user", "kick", ALICE, "--resource", " "), "expected something, not nothing"),
        (("user", "kick", ALICE, "--reason", "a\x1bb"), "without control characters"),
        (("user", "kick", ALICE, "--notify", "a\udcffb"), "without control characters"),
        (("user", "kick", ALICE, "--notify", "a\ufffe"), "without control characters"),
        (("user", "kick", ALICE, "--grace", "-1s"), "--grace"),
        (("user", "kick", ALICE, "--grace", ""), "expected a time such as"),
        (("user", "kick", ALICE, "--grace", "1d"), "expected a time such as"),
        (("user", "kick", ALICE, "--grace", "nan"), "expected a time such as"),
        (("user", "kick", ALICE, "--grace", "1e9"), "expected a time such as"),
        (("user", "kick", ALICE, "--grace", "3601"), "an hour at most"),
        (("user", "kick", ALICE, "--grace", "9" * 400), "an hour at most"),
        (("user", "kick", ALICE, "--grace", "99999999999h"), "an hour at most"),
        (("user", "notify", ALICE, ""), "expected something, not nothing"),
        (("user", "notify", ALICE, "\x00"), "without control characters"),
        (
            (
                "user",
                "sessions",
            ),
            "required: USER@HOST",
        ),
        (("room", "show", ALICE.partition("@")[0]), "expected ROOM@SERVICE"),
        (("room", "list", ""), "expected something, not nothing"),
        (("room", "create", ROOM, "--option", "persistent"), "expected NAME=VALUE"),
        (("room", "create", ROOM, "--option", "=true"), "expected NAME=VALUE"),
        (("room", "create", ROOM, "--option", "title=\x07"), "without control characters"),
        (("room", "invite", ROOM), "expected USER@HOST, or --from FILE"),
        (("room", "remove", ROOM), "expected USER@HOST, or --from FILE"),
        (("room", "remove", ROOM, ALICE, "--from", "x"), "not both"),
        (("room", "invite", ROOM, ALICE, "--password", "sword\x00fish"), "control characters"),
        (("room", "remove", ROOM, ALICE, "--ban", "--unban"), "not allowed with"),
        (("room", "unregister-nick", ALICE, ""), "expected something, not nothing"),
    ],
)
def test_it_is_refused(
    operator: Operator, server: Played, arguments: tuple[str, ...], said: str
) -> None:
    ran = operator(*arguments, "--yes")
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err.replace("\n", " ")
    assert "Traceback" not in ran.err
    assert server.calls == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("user", "kick"), "expected USER@HOST, or --from FILE"),
        (("user", "kick", "--from", ""), "expected USER@HOST, or --from FILE"),
        (("user", "kick", ALICE, "--from", "-"), "not both"),
        (("user", "kick", "--from", "/nowhere/list"), "/nowhere/list: cannot be read"),
        (("user", "kick", ALICE, "bob@example.org", "--resource", "x"), "expected one user"),
        (("user", "revoke", ALICE, "bob@example.org"), "--no-verify"),
        (("user", "notify", "hello"), "expected USER@HOST, or --from FILE"),
    ],
)
def test_what_cannot_be_begun_is_said_and_nothing_is_done(
    operator: Operator, server: Played, arguments: tuple[str, ...], said: str
) -> None:
    ran = operator(*arguments, "--yes")
    assert ran.code == 2
    assert said in ran.err
    assert server.changes == []


@pytest.mark.parametrize("grace", ["0", "0s", "0.1", "0m", "0h"])
def test_a_time_is_read_in_its_unit(operator: Operator, server: Played, grace: str) -> None:
    assert operator("user", "kick", ALICE, "--yes", "--notify", "x", "--grace", grace).code == 0
    assert server.changes == ["send_message", "send_message", "kick_user"]


@pytest.mark.parametrize("command", ["user", "room"])
def test_the_help_tells_of_each_command(operator: Operator, command: str) -> None:
    ran = operator(command, "--help")
    names = {
        "user": ["sessions", "notify", "kick", "revoke"],
        "room": [
            *("create", "list", "show", "invite", "remove", "unregister-nick", "destroy", "mend"),
        ],
    }
    assert ran.code == 0
    assert all(re.search(rf"\n    {name}\s", ran.out) for name in names[command])
