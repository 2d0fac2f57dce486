"""Calls: sent once, in the form of the release, with an exact report of what can have happened."""

import socket
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pydantic import SecretStr

from extauth_http.admin.rooms import (
    RoomNotFoundError,
    registered_nick,
    set_affiliation,
    unregister_nick,
)
from extauth_http.admin.sessions import kick, list_sessions
from extauth_http.config.service_auth import Bearer
from extauth_http.ejabberd_api import client as client_module
from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.ejabberd_api.errors import ApiError
from extauth_http.ejabberd_api.releases import FORMS, first_release
from extauth_http.terminal.masking import MASK
from tests.admin.fake_commands import SERVICE, FakeRoom
from tests.admin.fake_ejabberd import (
    RELEASES,
    Call,
    CallHandler,
    FakeEjabberd,
    drop_response,
    send_bytes,
    stop_server,
)
from tests.credentials import shown
from tests.e2e.ejabberd import free_ports
from tests.ejabberd_api.calls import (
    ALICE,
    BASIC,
    BEARER,
    ENCODED,
    HEADER,
    ROOM,
    refusal,
    settings,
    then_closed,
)
from tests.integration.service import http

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"

USER = {"user": "alice", "host": "example.org"}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "change_room_option": {"option": "title", "value": "Tea"},
    "create_room_with_opts": {"room": "new", "host": "example.org", "options": []},
    "set_room_affiliation": {"user": "alice", "host": "example.org", "affiliation": "member"},
    "unsubscribe_room": {"user": "alice", "host": "example.org"},
    "send_direct_invitation": {"password": "", "reason": "", "users": ["alice@example.org"]},
    "ban_account": {**USER, "reason": "spam"},
    "unban_account": USER,
    "get_ban_details": USER,
    "get_mam_count": USER,
    "list_banned": {"host": "example.org"},
    "kick_user": {"user": "alice", "host": "example.org"},
    "muc_unregister_nick": {"user": "alice", "host": "example.org", "service": SERVICE},
    "muc_get_registered_nick": {"user": "alice", "host": "example.org", "service": SERVICE},
}

WITHOUT_ROOM = {
    *("ban_account", "unban_account", "get_ban_details", "get_mam_count", "list_banned"),
    *("kick_user", "muc_unregister_nick", "muc_get_registered_nick"),
}


@pytest.mark.parametrize("status", ["", None])
@pytest.mark.parametrize("command", FORMS)
@pytest.mark.parametrize("release", [*RELEASES, "23.10", "24.02", "24.06", "24.10", "25.04"])
def test_each_release_executes_each_command_once_with_known_or_unknown_release(
    release: str, command: str, status: str | None
) -> None:
    arguments = ARGUMENTS.get(command, {})
    if command not in WITHOUT_ROOM:
        arguments = {"room": "tea", "service": SERVICE, **arguments}
    with FakeEjabberd(release, status=status) as fake:
        fake.rooms[str(ROOM)] = FakeRoom(subscribers=["alice@example.org"])
        api = ApiClient(settings(fake.url))
        if not api.has_command(command) or (command, release) == ("get_room_options", "24.12"):
            return
        if fake.release < first_release(command):
            with pytest.raises(ApiError, match=r"Endpoint not found|Missing command name"):
                api.query(command, **arguments)
            return
        api.query(command, **arguments)
        done = [call.command for call in fake.executed]
        assert done.count(command) == 1
        if status is not None and release in RELEASES:
            assert len(fake.called(command)) == 1  # its own release is called right at once


@pytest.mark.parametrize(("release", "reported"), [("24.12", "24.10.52"), ("24.10", "24.12-rc1")])
@pytest.mark.parametrize("command", ["set_room_affiliation", "unsubscribe_room", "destroy_room"])
def test_a_server_between_two_releases_gets_the_form_that_it_accepts(
    release: str, reported: str, command: str
) -> None:
    with FakeEjabberd(release, status=f"ejabberd {reported} is running in that node") as fake:
        fake.rooms[str(ROOM)] = FakeRoom(subscribers=["alice@example.org"])
        api = ApiClient(settings(fake.url))
        api.change(command, room="tea", service=SERVICE, **ARGUMENTS.get(command, {}))
        assert [call.command for call in fake.executed].count(command) == 1


def test_a_server_of_unknown_release_may_lack_a_command() -> None:
    with FakeEjabberd("24.12", status=None) as fake:
        assert registered_nick(ApiClient(settings(fake.url)), ALICE, SERVICE) is None


@pytest.mark.parametrize(
    "script", [drop_response, send_bytes(b""), send_bytes(http(502, "<html>"))]
)
@pytest.mark.parametrize("status", ["", None])
def test_a_call_that_may_have_been_executed_is_not_repeated(
    script: CallHandler, status: str | None
) -> None:
    with FakeEjabberd(status=status) as fake:
        fake.rooms[str(ROOM)] = FakeRoom()
        if script is not drop_response:
            fake.script("set_room_affiliation", then_closed(script))
        else:
            fake.script("set_room_affiliation", script)
        with pytest.raises(ApiError, match="it is unknown whether ejabberd executed it") as caught:
            set_affiliation(ApiClient(settings(fake.url)), ROOM, ALICE, "member")
        assert caught.value.may_have_changed
        assert len(fake.called("set_room_affiliation")) == 1


def test_a_call_without_a_response_may_have_changed_something(fake: FakeEjabberd) -> None:
    fake.script("kick_user", lambda *_: time.sleep(1.5))
    error = refusal(ApiClient(settings(fake.url, timeout=1)))
    assert (error.may_have_changed, len(fake.called("kick_user"))) == (True, 1)
    assert "deadline" in error.message


@pytest.mark.parametrize("beginning", [b"", b"HTTP/1.1 200 OK\r\n", HEAD])
def test_the_timeout_includes_a_response_that_drips(fake: FakeEjabberd, beginning: bytes) -> None:
    """A byte every 0.1 s: in the status line, in the headers and in the body."""
    sent: list[int] = []

    def drip(_: FakeEjabberd, __: Call, connection: socket.socket) -> None:
        connection.sendall(beginning)
        for byte in (HEAD + b" " * 100)[len(beginning) :]:
            connection.sendall(bytes([byte]))
            sent.append(byte)
            time.sleep(0.1)

    fake.script("kick_user", drip)
    error = refusal(ApiClient(settings(fake.url, timeout=1)))
    assert len(beginning) + len(sent) < len(HEAD) + 100  # the server was not finished
    assert ("deadline" in error.message, error.may_have_changed) == (True, True)


def test_a_refused_connection_changed_nothing(fake: FakeEjabberd) -> None:
    api = ApiClient(settings(fake.url))
    assert api.release == (26, 7)
    fake.service.__exit__()
    error = refusal(api)
    assert (error.may_have_changed, error.status) == (False, 0)
    assert "connect_refused" in str(error)
    assert "mod_http_api" in str(error.hint)


def test_a_query_without_a_response_changed_nothing(fake: FakeEjabberd) -> None:
    fake.script("user_sessions_info", drop_response)
    with pytest.raises(ApiError, match="connection_lost") as caught:
        list_sessions(ApiClient(settings(fake.url)), ALICE)
    assert not caught.value.may_have_changed


def test_an_error_names_the_release_that_added_a_missing_command() -> None:
    with FakeEjabberd("23.01") as fake, pytest.raises(ApiError, match=r"it was added in 25\.10"):
        ApiClient(settings(fake.url)).query(
            "muc_get_registered_nick", user="a", host="b", service="c"
        )


def test_an_unknown_service_is_an_error(fake: FakeEjabberd) -> None:
    with pytest.raises(RoomNotFoundError, match="nowhere is not a MUC service"):
        unregister_nick(ApiClient(settings(fake.url)), ALICE, "nowhere")


@pytest.mark.parametrize(
    ("account", "header", "value"),
    [
        (BASIC, "authorization", f"Basic {ENCODED}"),
        (BEARER, "authorization", "Bearer swordfish"),
        (HEADER, "x-api-key", "swordfish"),
        (None, "authorization", None),
    ],
)
def test_each_call_has_the_credentials_of_the_account(
    fake: FakeEjabberd, account: dict[str, str] | None, header: str, value: str | None
) -> None:
    kick(ApiClient(settings(fake.url, service_auth=account)), ALICE)
    assert [call.headers.get(header) for call in fake.calls] == [value, value]


def test_a_header_that_http_cannot_carry_is_not_shown(fake: FakeEjabberd) -> None:
    # The configuration refuses such a token, so this one gets around it.
    token = SecretStr("swordfish\nX-More: swordfish")
    account = Bearer.model_construct(kind="bearer", token=token)
    configured = settings(fake.url).model_copy(update={"service_auth": account})
    error = refusal(ApiClient(configured))
    assert "swordfish" not in "".join(traceback.format_exception(error))
    assert "ejabberd.service_auth" in str(error.hint)
    assert not error.may_have_changed
    assert fake.calls == []


def test_a_dry_run_shows_calls_and_does_not_send_them(fake: FakeEjabberd) -> None:
    calls: list[str] = []
    api = ApiClient(settings(fake.url), calls.append)
    api.change("kick_user", user="alice", host="example.org")
    api.change("oauth_revoke_token", token="hunter2")
    options = [{"name": "password", "value": "swordfish"}, {"name": "title", "value": "Tea"}]
    api.change("create_room_with_opts", room="r", service="s", host="h", options=options)
    api.change("change_room_option", room="r", service="s", option="password", value="swordfish")
    assert calls[:2] == [
        'kick_user/v2 {"user": "alice", "host": "example.org"}',
        f'oauth_revoke_token {{"token": "{MASK}"}}',
    ]
    assert not shown("".join(calls).encode())
    assert '"Tea"' in calls[2]
    assert fake.changes == []


def test_proxies_of_the_environment_are_not_used(
    fake: FakeEjabberd, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert ApiClient(settings(fake.url)).release == (26, 7)


def test_only_the_call_that_was_in_flight_may_have_changed_something(fake: FakeEjabberd) -> None:
    fake.script("kick_user", stop_server)
    api = ApiClient(settings(fake.url))
    assert refusal(api).may_have_changed
    assert not refusal(api).may_have_changed


def test_a_call_waits_for_a_server_that_restarts_but_not_for_one_that_stays_away() -> None:
    (port,) = free_ports(1)
    api = ApiClient(settings(f"http://127.0.0.1:{port}/api"))
    with ThreadPoolExecutor(1) as aside:
        waiting = aside.submit(api.query, "registered_vhosts")
        time.sleep(0.2)
        with FakeEjabberd(port=port):
            assert waiting.result(20) == ["example.org"]
    begun = time.monotonic()
    for _ in range(client_module.MAX_UNREACHABLE):
        api._unreachable += 1
    for _ in range(100):
        with pytest.raises(ApiError, match="cannot connect"):
            api.query("registered_vhosts")
    assert time.monotonic() - begun < 100 * client_module.RECONNECT_TIMEOUT
