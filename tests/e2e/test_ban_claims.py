"""What a ban of ejabberd stops and what it does not, in each release.

``ban_account`` has version 2 since 24.06. Until 25.07, version 2 also sets a random password at the
service, and cannot be undone.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from extauth_http.ejabberd_api.polling import wait_until
from tests.e2e import oauth
from tests.e2e.certificates import Certificates
from tests.e2e.ejabberd import MODULES, ApiError, Ejabberd, c2s_listener, free_ports
from tests.e2e.fast import FastClient
from tests.e2e.installation import VERSION
from tests.e2e.mqtt import MqttClient
from tests.e2e.raw_stream import RawStream, logged_in
from tests.e2e.recording_program import RecordingProgram

pytestmark = pytest.mark.e2e
ALICE = {"user": "alice", "host": "example.org"}
HAS_BAN = VERSION >= (24, 6)
HAS_UNBAN = VERSION >= (25, 8)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> RecordingProgram:
    return RecordingProgram(tmp_path_factory.mktemp("program"))


@pytest.fixture(autouse=True)
def _all_users_exist(program: RecordingProgram) -> None:
    program.reply(isuser=1, setpass=1)


@pytest.fixture(scope="module")
def server(program: RecordingProgram) -> Iterator[Ejabberd]:
    """Each test has a user of its own on this server."""
    with Ejabberd(program.command_line) as running:
        yield running


def password_login(server: Ejabberd, user: str) -> str:
    with RawStream(server.c2s_port, "example.org") as stream:
        return stream.answer("PLAIN", f"\0{user}\0good".encode())


def ban(server: Ejabberd, user: str) -> bool:
    arguments = {"user": user, "host": "example.org", "reason": "test"}
    return bool(server.api("ban_account", **arguments) == 0)


def test_a_ban_is_checked_before_the_program_is_asked(
    server: Ejabberd, program: RecordingProgram
) -> None:
    assert ban(server, "ada")
    program.new_requests()
    assert password_login(server, "ada") == ("failure" if HAS_BAN else "success")
    assert program.new_requests() == ([] if HAS_BAN else ["auth:ada:example.org:good"])


def test_a_ban_sets_a_random_password_at_the_service_before_25_08(
    server: Ejabberd, program: RecordingProgram
) -> None:
    assert ban(server, "bea")
    changes = [each for each in program.new_requests() if each.startswith("setpass:bea:")]
    assert len(changes) == (0 if HAS_UNBAN else 1)


def test_a_ban_can_be_undone_since_25_08(server: Ejabberd) -> None:
    assert ban(server, "cleo")
    if HAS_UNBAN:
        assert server.api("unban_account", user="cleo", host="example.org") == 0
        assert password_login(server, "cleo") == "success"
    else:
        with pytest.raises(ApiError):
            server.api("unban_account", user="cleo", host="example.org")


@pytest.mark.skipif(not HAS_UNBAN, reason="bans of this release change the password")
def test_ban_and_unban_need_a_user_that_exists(server: Ejabberd, program: RecordingProgram) -> None:
    program.reply(isuser=0)
    assert not ban(server, "dora")
    program.reply(isuser=1)
    assert ban(server, "dora")
    program.reply(isuser=0)
    assert server.api("unban_account", user="dora", host="example.org") == 1
    assert password_login(server, "dora") == "failure"


@pytest.mark.skipif(not HAS_BAN, reason="a ban of this release is only a new password")
def test_a_ban_ends_sessions_and_leaves_oauth_tokens_valid(
    program: RecordingProgram,
) -> None:
    (port,) = free_ports(1)
    server = Ejabberd(program.command_line, options=oauth.OPTIONS)
    server.config["listen"].append(oauth.oauth_listener(port))
    with server, logged_in(server.c2s_port, "example.org", "alice", "good"):
        token = oauth.oauth_token(server, port, "alice@example.org").encode()
        assert ban(server, "alice")
        assert wait_until(
            lambda: server.api("user_sessions_info", **ALICE) == [], interval=0.05, timeout=10
        )
        with RawStream(server.c2s_port, "example.org") as stream:
            assert stream.answer("X-OAUTH2", b"\0alice\0" + token) == "success"


def test_no_admin_command_ends_an_mqtt_session(program: RecordingProgram) -> None:
    (port,) = free_ports(1)
    server = Ejabberd(program.command_line)
    server.config["listen"].append({"port": port, "ip": "127.0.0.1", "module": "mod_mqtt"})
    with server, MqttClient(port, "alice@example.org", password="good") as client:
        assert client.is_open()
        assert server.api("user_sessions_info", **ALICE) == []
        for command, arguments in (
            ("kick_user", {}),
            ("ban_account", {"reason": "test"}),
            ("unregister", {}),
        ):
            server.api(command, **ALICE, **arguments)
            assert client.is_open(), command


# What is done to alice, whether she has a session, and whether her FAST tokens are gone. Since
# 25.07 for all but ban_account, which clears them since 25.08.
FAST: list[tuple[str, dict[str, str], bool, bool]] = [
    ("kick_user", {}, False, False),
    ("kick_user", {}, True, True),
    ("kick_session", {"reason": "test"}, True, False),
    ("change_password", {"newpass": "new"}, False, True),
    ("unregister", {}, False, True),
    ("ban_account", {"reason": "test"}, False, True),
]


@pytest.mark.skipif(VERSION < (24, 12), reason="this ejabberd has no mod_auth_fast")
def test_commands_that_clear_fast_tokens(program: RecordingProgram, tmp_path: Path) -> None:
    """On 24.12 nothing clears them, and a banned user logs in with one."""
    (port,) = free_ports(1)
    certificates = Certificates(tmp_path, trustme.CA())
    modules = {**MODULES, "mod_auth_fast": {}}
    server = Ejabberd(program.command_line, modules=modules, options=certificates.options)
    server.config["listen"].append(c2s_listener(port, tls=True))

    def client() -> FastClient:
        return FastClient(port, "alice", "example.org", certificates.client())

    def sessions() -> list[dict[str, str]]:
        found: list[dict[str, str]] = server.api("user_sessions_info", **ALICE)
        return found

    with server:
        for command, arguments, is_online, clears in FAST:
            with client() as first:
                assert first.log_in("good")
                token = first.token
                if is_online:
                    _call(server, command, arguments, sessions())
            if not is_online:
                while sessions():
                    pass
                _call(server, command, arguments, [])
            with client() as second:
                is_cleared = not second.log_in_by(token)
            assert is_cleared == (clears and VERSION >= (25, 8)), (command, is_online)


def _call(
    server: Ejabberd, command: str, arguments: dict[str, str], sessions: list[dict[str, str]]
) -> None:
    if command == "kick_session":
        arguments = {**arguments, "resource": sessions[0]["resource"]}
    server.api(command, **ALICE, **arguments)
