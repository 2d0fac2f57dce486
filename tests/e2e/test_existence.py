"""What ejabberd does with the reply to "does this user exist?"."""

import asyncio
import time
from pathlib import Path

import pytest

from tests.e2e.conftest import PROGRAM
from tests.e2e.ejabberd import ApiError, Ejabberd
from tests.e2e.installation import VERSION
from tests.e2e.recording_program import RecordingProgram
from tests.e2e.xmpp import login, session
from tests.integration.service import Request, Service, http

pytestmark = pytest.mark.e2e

ACTIVE = '{"active": true, "username": "alice"}'
CONFIG = '[backend]\nkind = "introspection"\nurl = "%s"\nisuser = "%s"\n'
OPTION = "auth_external_user_exists_check"
BOB = {"user": "bob", "host": "example.org"}
NO, UNDECIDED = 0, 2


def introspecting(request: Request, connection: object) -> None:
    connection.sendall(http(200, ACTIVE))  # type: ignore[attr-defined]


async def message_to_bob(ejabberd: Ejabberd, password: str) -> str | None:
    """The type of the message that alice gets back for a message to bob, who is offline."""
    async with session(ejabberd, "alice@example.org", password) as alice:
        alice.send("bob@example.org", "hello")
        try:
            return str((await alice.receive(timeout=2))["type"])
        except TimeoutError:
            return None


def stored_messages(ejabberd: Ejabberd) -> int:
    """How many messages ejabberd keeps for bob. Before 24.06 the number is in an object."""
    count = ejabberd.api("get_offline_count", **BOB)
    return int(count["value"] if isinstance(count, dict) else count)


def error(ejabberd: Ejabberd, command: str, **arguments: str) -> str:
    with pytest.raises(ApiError) as caught:
        ejabberd.api(command, **BOB, **arguments)
    return caught.value.body


@pytest.mark.parametrize(
    ("choice", "message", "stored", "change", "register"),
    [
        ("deny", "error", 0, "unknown_user", "Not allowed"),
        ("allow", None, 1, "db_failure", "already registered"),
        ("undecided", "error", 0, "unknown_user", "Not allowed"),
    ],
)
def test_the_choice_decides_about_messages_to_users_who_were_never_online(
    tmp_path: Path, choice: str, message: str | None, stored: int, change: str, register: str
) -> None:
    config = tmp_path / "extauth-http.toml"
    with Service(introspecting) as service:
        config.write_text(CONFIG % (service.url, choice))
        with Ejabberd(f"{PROGRAM} --config {config}") as ejabberd:
            assert asyncio.run(message_to_bob(ejabberd, "a-token")) == message
            assert stored_messages(ejabberd) == stored
            assert change in error(ejabberd, "change_password", newpass="new")
            assert register in error(ejabberd, "register", password="new")


@pytest.mark.parametrize(
    "options",
    [
        {},
        pytest.param(
            {OPTION: False},
            marks=pytest.mark.skipif(VERSION < (23, 10), reason=f"no {OPTION} before 23.10"),
        ),
    ],
)
def test_a_user_who_was_online_exists_forever_since_23_10_unless_the_check_is_off(
    tmp_path: Path, options: dict[str, bool]
) -> None:
    """mod_last knows bob, and the program says that he does not exist, or that it cannot tell."""
    is_overruled = VERSION >= (23, 10) and not options
    program = RecordingProgram(tmp_path)
    with Ejabberd(program.command_line, options=options) as ejabberd:
        assert asyncio.run(login(ejabberd, "bob@example.org", "good"))
        while ejabberd.api("user_sessions_info", **BOB):
            time.sleep(0.05)
        for number, reply in enumerate((NO, UNDECIDED), start=1):
            program.reply(isuser=reply, tryregister=1)
            assert ejabberd.api("check_account", **BOB) == (0 if is_overruled else 1)
            message = asyncio.run(message_to_bob(ejabberd, "good"))
            assert (message is None) == is_overruled
            assert stored_messages(ejabberd) == (number if is_overruled else 0)
            program.new_requests()
            if is_overruled:
                assert "already registered" in error(ejabberd, "register", password="x")
            else:
                ejabberd.api("register", **BOB, password="x")
            asked = "tryregister:bob:example.org:x" in program.new_requests()
            assert asked != is_overruled


@pytest.mark.skipif(VERSION >= (23, 10), reason=f"this ejabberd knows {OPTION}")
def test_before_23_10_ejabberd_does_not_start_with_the_option() -> None:
    with (
        pytest.raises(RuntimeError, match=f"Unknown option: {OPTION}"),
        Ejabberd("cat", options={OPTION: False}),
    ):
        pass
