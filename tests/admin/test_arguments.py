"""Usage errors, reported before any call to the server."""

import re

import pytest

from tests.admin.fake_ejabberd import FakeEjabberd
from tests.admin.operator import ROOM, Operator

ALICE = "alice@example.org"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("user",), "required: COMMAND"),
        (("room",), "required: COMMAND"),
        (("user", "kick", "alice"), "expected USER@HOST, not 'alice'"),
        (("user", "kick", f"{ALICE}/phone"), "without a resource"),
        (("user", "kick", ALICE, "--resource", ""), "expected text that is not empty"),
        (("user", "kick", ALICE, "--resource", " "), "expected text that is not empty"),
        (("user", "kick", ALICE, "--reason", "a\x1bb"), "without control characters"),
        (("user", "kick", ALICE, "--notify", "a\udcffb"), "without control characters"),
        (("user", "kick", ALICE, "--notify", "a\ufffe"), "without control characters"),
        (("user", "kick", ALICE, "--grace", "-1s"), "--grace"),
        (("user", "kick", ALICE, "--grace", ""), "expected a duration of at most 1h"),
        (("user", "kick", ALICE, "--grace", "1d"), "expected a duration of at most 1h"),
        (("user", "kick", ALICE, "--grace", "nan"), "expected a duration of at most 1h"),
        (("user", "kick", ALICE, "--grace", "1e9"), "expected a duration of at most 1h"),
        (("user", "kick", ALICE, "--grace", "3601"), "expected a duration of at most 1h"),
        (("user", "kick", ALICE, "--grace", "9" * 400), "expected a duration of at most 1h"),
        (("user", "kick", ALICE, "--grace", "99999999999h"), "expected a duration of at most 1h"),
        (("user", "sweep", "--at-most", "-1"), "--at-most"),
        (("user", "sweep", "--at-most", "many"), "expected a number, such as 20"),
        (("user", "sweep", "--per-second", "0"), "expected a number from 0.1"),
        (("user", "sweep", "--per-second", "nan"), "expected a number from 0.1"),
        (("user", "notify", ALICE, ""), "expected text that is not empty"),
        (("user", "notify", ALICE, "\x00"), "without control characters"),
        (
            (
                "user",
                "sessions",
            ),
            "required: USER@HOST",
        ),
        (("room", "show", ALICE.partition("@")[0]), "expected ROOM@SERVICE"),
        (("room", "list", ""), "expected text that is not empty"),
        (("room", "create", ROOM, "--option", "persistent"), "expected NAME=VALUE"),
        (("room", "create", ROOM, "--option", "=true"), "expected NAME=VALUE"),
        (("room", "create", ROOM, "--option", "title=\x07"), "without control characters"),
        (("room", "invite", ROOM), "expected USER@HOST, or --from FILE"),
        (("room", "remove", ROOM), "expected USER@HOST, or --from FILE"),
        (("room", "remove", ROOM, ALICE, "--from", "x"), "not both"),
        (("room", "invite", ROOM, ALICE, "--password", "sword\x00fish"), "control characters"),
        (("room", "remove", ROOM, ALICE, "--ban", "--unban"), "not allowed with"),
        (("room", "unregister-nick", ALICE, ""), "expected text that is not empty"),
    ],
)
def test_a_usage_error_is_reported_before_any_call(
    operator: Operator, server: FakeEjabberd, arguments: tuple[str, ...], problem: str
) -> None:
    result = operator(*arguments, "--yes")
    assert (result.code, result.out) == (2, "")
    assert problem in result.err.replace("\n", " ")
    assert "Traceback" not in result.err
    assert server.calls == []


@pytest.mark.parametrize(
    ("arguments", "problem"),
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
def test_an_unusable_combination_of_arguments_changes_nothing(
    operator: Operator, server: FakeEjabberd, arguments: tuple[str, ...], problem: str
) -> None:
    result = operator(*arguments, "--yes")
    assert result.code == 2
    assert problem in result.err
    assert server.changes == []


@pytest.mark.parametrize("grace", ["0", "0s", "0.1", "0m", "0h"])
def test_the_grace_time_accepts_units(operator: Operator, server: FakeEjabberd, grace: str) -> None:
    assert operator("user", "kick", ALICE, "--yes", "--notify", "x", "--grace", grace).code == 0
    assert server.changes == ["send_message", "send_message", "kick_user"]


@pytest.mark.parametrize("command", ["user", "room"])
def test_the_help_lists_each_command(operator: Operator, command: str) -> None:
    result = operator(command, "--help")
    names = {
        "user": ["sessions", "notify", "kick", "revoke", "ban", "unban", "bans", "sweep", "purge"],
        "room": [
            *("create", "list", "show", "invite", "remove", "unregister-nick", "destroy", "repair"),
        ],
    }
    assert result.code == 0
    assert all(re.search(rf"\n    {name}\s", result.out) for name in names[command])
