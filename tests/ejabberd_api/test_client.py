"""A call: sent once, in the server's language, and what came of it told truly."""

import base64
import gzip
import json
import socket
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from extauth_http.admin.rooms import (
    RoomNotFoundError,
    make_member,
    registered_nick,
    unregister_nick,
)
from extauth_http.admin.users import kick, sessions
from extauth_http.config.ejabberd import EjabberdSettings
from extauth_http.ejabberd_api import client as api_module
from extauth_http.ejabberd_api.client import Api, ApiError
from extauth_http.ejabberd_api.releases import FORMS
from extauth_http.protocol.jid import Jid
from extauth_http.terminal.masking import MASK
from tests.admin.played import (
    RELEASES,
    SERVICE,
    Call,
    Played,
    PlayedRoom,
    Scripted,
    gone,
    lost,
    raw,
    says,
)
from tests.credentials import PASSWORD, shown
from tests.e2e.ejabberd import free_ports
from tests.integration.certificates import Certificates, certificates
from tests.integration.service import http

ALICE = Jid("alice", "example.org")
ROOM = Jid("tea", SERVICE)


def settings(url: str, **more: Any) -> EjabberdSettings:
    return EjabberdSettings.model_validate({"api": url, "timeout": 2, **more})


@pytest.fixture
def played() -> Iterator[Played]:
    with Played() as running:
        running.sessions["alice@example.org"] = ["phone"]
        yield running


def refusal(api: Api, command: str = "kick_user") -> ApiError:
    with pytest.raises(ApiError) as caught:
        api.change(command, user="alice", host="example.org")
    return caught.value


ARGUMENTS: dict[str, dict[str, Any]] = {
    "change_room_option": {"option": "title", "value": "Tea"},
    "create_room_with_opts": {"room": "new", "host": "example.org", "options": []},
    "set_room_affiliation": {"user": "alice", "host": "example.org", "affiliation": "member"},
    "unsubscribe_room": {"user": "alice", "host": "example.org"},
    "send_direct_invitation": {"password": "", "reason": "", "users": ["alice@example.org"]},
    "kick_user": {"user": "alice", "host": "example.org"},
    "muc_unregister_nick": {"user": "alice", "host": "example.org", "service": SERVICE},
    "muc_get_registered_nick": {"user": "alice", "host": "example.org", "service": SERVICE},
}


@pytest.mark.parametrize("status", ["", None])
@pytest.mark.parametrize("command", FORMS)
@pytest.mark.parametrize("release", [*RELEASES, "23.10", "24.02", "24.06", "24.10", "25.04"])
def test_each_command_is_done_once_on_each_release_whether_it_tells_which_it_is(
    release: str, command: str, status: str | None
) -> None:
    arguments = ARGUMENTS.get(command, {})
    if command not in ("kick_user", "muc_unregister_nick", "muc_get_registered_nick"):
        arguments = {"room": "tea", "service": SERVICE, **arguments}
    with Played(release, status=status) as played:
        played.rooms[str(ROOM)] = PlayedRoom(subscribers=["alice@example.org"])
        api = Api(settings(played.url))
        if not api.has(command) or (command, release) == ("get_room_options", "24.12"):
            return
        if command == "muc_get_registered_nick" and played.release < (25, 10):
            with pytest.raises(ApiError, match="Endpoint not found"):
                api.look(command, **arguments)
            return
        api.look(command, **arguments)
        done = [call.command for call in played.done]
        assert done.count(command) == 1
        if status is not None and release in RELEASES:
            assert len(played.called(command)) == 1  # its own release is called right at once


@pytest.mark.parametrize(("speaks", "tells"), [("24.12", "24.10.52"), ("24.10", "24.12-rc1")])
@pytest.mark.parametrize("command", ["set_room_affiliation", "unsubscribe_room", "destroy_room"])
def test_a_server_between_two_releases_is_called_until_it_understands(
    speaks: str, tells: str, command: str
) -> None:
    with Played(speaks, status=f"ejabberd {tells} is running in that node") as played:
        played.rooms[str(ROOM)] = PlayedRoom(subscribers=["alice@example.org"])
        api = Api(settings(played.url))
        api.change(command, room="tea", service=SERVICE, **ARGUMENTS.get(command, {}))
        assert [call.command for call in played.done].count(command) == 1


def test_a_server_that_tells_nothing_of_its_release_may_lack_a_command() -> None:
    with Played("24.12", status=None) as played:
        assert registered_nick(Api(settings(played.url)), ALICE, SERVICE) is None


@pytest.mark.parametrize("script", [lost, raw(b""), raw(http(502, "<html>"))])
@pytest.mark.parametrize("status", ["", None])
def test_a_call_that_may_have_been_done_is_not_sent_again(
    script: Scripted, status: str | None
) -> None:
    with Played(status=status) as played:
        played.rooms[str(ROOM)] = PlayedRoom()
        if script is not lost:
            played.meets("set_room_affiliation", _then_closed(script))
        else:
            played.meets("set_room_affiliation", script)
        with pytest.raises(ApiError, match="it is not known whether it was done") as caught:
            make_member(Api(settings(played.url)), ROOM, ALICE)
        assert not caught.value.is_undone
        assert len(played.called("set_room_affiliation")) == 1


def _then_closed(script: Scripted) -> Scripted:
    def behave(played: Played, call: Call, connection: socket.socket) -> None:
        script(played, call, connection)
        connection.shutdown(socket.SHUT_RDWR)

    return behave


def test_a_server_that_is_silent_leaves_it_unknown(played: Played) -> None:
    played.meets("kick_user", lambda *_: time.sleep(1.5))
    error = refusal(Api(settings(played.url, timeout=1)))
    assert (error.is_undone, len(played.called("kick_user"))) == (False, 1)
    assert "ReadTimeout" in error.said


def test_an_answer_that_drips_is_not_waited_for_without_end(played: Played) -> None:
    pieces: list[int] = []

    def drip(_: Played, __: Call, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        for piece in range(100):
            connection.sendall(b" ")
            pieces.append(piece)
            time.sleep(0.1)

    played.meets("kick_user", drip)
    error = refusal(Api(settings(played.url, timeout=1)))
    assert len(pieces) < 100  # it was still at it
    assert ("ReadTimeout" in error.said, error.is_undone) == (True, False)


def test_a_connection_that_is_refused_means_that_nothing_was_done(played: Played) -> None:
    api = Api(settings(played.url))
    assert api.release == (26, 7)
    played.service.__exit__()
    error = refusal(api)
    assert (error.is_undone, error.status) == (True, 0)
    assert "Connection refused" in str(error)
    assert "mod_http_api" in error.advice


def test_a_look_that_gets_lost_has_changed_nothing(played: Played) -> None:
    played.meets("user_sessions_info", lost)
    with pytest.raises(ApiError, match="the answer got lost") as caught:
        sessions(Api(settings(played.url)), ALICE)
    assert caught.value.is_undone


HTML = "<html><h1>Login</h1></html>"


@pytest.mark.parametrize(
    ("answer", "said", "is_undone"),
    [
        (http(200, HTML, "Content-Type: text/html"), "status 200 and text/html", False),
        (http(404, HTML, "Content-Type: text/html"), "status 404 and text/html", True),
        (http(503, HTML, "Content-Type: text/html"), "status 503 and text/html", False),
        (http(200, ""), "no content type: that is not mod_http_api", False),
        (http(200, '{"num_resources":'), "that is not mod_http_api", False),
        (http(200, b"\xff\xfe\xfd"), "that is not mod_http_api", False),
        (http(200, "[" * 100_000), "that is not mod_http_api", False),
        (http(200, "9" * 5000), "that is not mod_http_api", False),
        (
            http(200, gzip.compress(b"[" + b" " * 10**6 + b"]"), "Content-Encoding: gzip"),
            "that is not mod_http_api",
            False,
        ),
        (http(302, "", "Location: http://127.0.0.1:1/stolen"), "status 302", True),
        (http(307, "", "Location: /api/kick_user"), "status 307", True),
        (http(200, '"no number"'), "something that this command is not known for", False),
        (http(200, "[1]"), "something that this command is not known for", False),
        (http(200, "null"), "something that this command is not known for", False),
        (http(500, '"internal_error"'), "ejabberd says: internal_error", False),
        (http(400, '"Room doesn\'t exists"'), "ejabberd says: Room doesn't exists", True),
        (http(400, "{}"), "ejabberd says: status 400", True),
        (http(204, "0"), "", None),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "the answer got lost (RemoteProtocolError)", False),
    ],
)
def test_what_is_no_answer_is_a_clear_error(
    played: Played, answer: bytes, said: str, is_undone: bool | None
) -> None:
    played.meets("kick_user", _then_closed(raw(answer)))
    with pytest.raises(ApiError) as caught:
        kick(Api(settings(played.url)), ALICE)
    assert str(caught.value).startswith("kick_user: ")
    assert said in caught.value.said
    assert is_undone is None or caught.value.is_undone is is_undone
    assert len(played.called("kick_user")) == 1  # no redirect is followed


def test_an_answer_is_not_read_without_end(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_module, "MAX_BODY", 1 << 20)
    played.meets("kick_user", raw(http(200, " " * 2_000_000)))
    error = refusal(Api(settings(played.url)))
    assert ("longer than 1 MiB" in error.said, error.is_undone) == (True, False)


def test_a_no_without_a_reason_is_not_taken_for_a_yes(played: Played) -> None:
    played.meets("kick_session", says(200, 1))
    with pytest.raises(ApiError, match="ejabberd says no"):
        Api(settings(played.url)).change(
            "kick_session", user="alice", host="example.org", resource="x", reason="y"
        )


@pytest.mark.parametrize(
    "answer",
    [
        {"alice": 1},
        "text",
        [{}],
        [7],
        [None],
        [{"resource": "x"}],
        [{"connection": "c2s", "ip": "1", "port": "many", "priority": 0, "uptime": 1}],
    ],
)
def test_an_answer_of_another_shape_is_an_error_that_names_the_command(
    played: Played, answer: object
) -> None:
    played.meets("user_sessions_info", says(200, answer))
    with pytest.raises(ApiError, match=r"^user_sessions_info: ejabberd answers with something"):
        sessions(Api(settings(played.url)), ALICE)


def test_a_time_beyond_all_time_is_an_error_too(played: Played) -> None:
    (session,) = played._user_sessions_info({"user": "alice", "host": "example.org"})
    played.meets("user_sessions_info", says(200, [{**session, "uptime": 10**30}]))
    with pytest.raises(ApiError, match=r"^user_sessions_info: ejabberd answers with something"):
        sessions(Api(settings(played.url)), ALICE)


@pytest.mark.parametrize(
    ("command", "status", "answer", "advice"),
    [
        (
            "kick_user",
            401,
            {
                "status": "error",
                "code": 10,
                "message": "You are not authorized to call this command.",
            },
            "ejabberd.service_auth",
        ),
        (
            "kick_user",
            403,
            {
                "status": "error",
                "code": 32,
                "message": "AccessRules: Account does not have the right to perform the operation.",
            },
            "api_permissions:",
        ),
        (
            "kick_session",
            404,
            {"status": "error", "code": 40, "message": "Endpoint not found."},
            "mod_admin_extra: {}",
        ),
        (
            "destroy_room",
            404,
            {"status": "error", "code": 40, "message": "Endpoint not found."},
            "mod_muc_admin: {}",
        ),
    ],
)
def test_a_refusal_tells_the_likely_cause(
    played: Played, command: str, status: int, answer: object, advice: str
) -> None:
    played.meets(command, says(status, answer))
    error = refusal(Api(settings(played.url)), command)
    assert advice in error.advice
    assert error.is_undone
    assert error.is_refused


def test_a_command_that_this_release_lacks_is_named_with_the_release_that_has_it() -> None:
    with Played("23.01") as played, pytest.raises(ApiError, match=r"it came with 25\.10"):
        Api(settings(played.url)).look("muc_get_registered_nick", user="a", host="b", service="c")


def test_an_unknown_service_is_said_to_be_none(played: Played) -> None:
    with pytest.raises(RoomNotFoundError, match="nowhere is no MUC service"):
        unregister_nick(Api(settings(played.url)), ALICE, "nowhere")


BASIC = {"kind": "basic", "username": "admin@example.org", "password": PASSWORD}
BEARER = {"kind": "bearer", "token": "swordfish"}
HEADER = {"kind": "header", "name": "X-Api-Key", "value": "swordfish"}
ENCODED = base64.b64encode(f"admin@example.org:{PASSWORD}".encode()).decode()


@pytest.mark.parametrize(
    ("account", "header", "value"),
    [
        (BASIC, "authorization", f"Basic {ENCODED}"),
        (BEARER, "authorization", "Bearer swordfish"),
        (HEADER, "x-api-key", "swordfish"),
        (None, "authorization", None),
    ],
)
def test_the_account_goes_with_each_call(
    played: Played, account: dict[str, str] | None, header: str, value: str | None
) -> None:
    kick(Api(settings(played.url, service_auth=account)), ALICE)
    assert [call.headers.get(header) for call in played.calls] == [value, value]


@pytest.mark.parametrize("account", [BASIC, BEARER, HEADER])
def test_a_server_that_repeats_what_it_was_sent_shows_no_secret(
    played: Played, account: dict[str, str]
) -> None:
    def echo(_: Played, call: Call, connection: socket.socket) -> None:
        said = json.dumps(f"{call.headers} {call.arguments}", ensure_ascii=False)
        connection.sendall(http(400, said))

    def echo_kind(_: Played, call: Call, connection: socket.socket) -> None:
        value = call.headers.get("authorization") or call.headers["x-api-key"]
        connection.sendall(http(400, "x", f"Content-Type: {value}"))

    played.meets("oauth_revoke_token", echo, echo_kind)
    api = Api(settings(played.url, service_auth=account))
    token = "".join(("hunter", "2"))  # a traceback quotes this file
    for _ in range(2):
        with pytest.raises(ApiError) as caught:
            api.change("oauth_revoke_token", token=token)
        said = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
        assert MASK in said
        assert not shown(said.encode())
    assert not shown(repr([api, vars(api), api.settings]).encode())


def test_a_header_that_cannot_be_sent_is_not_shown(played: Played) -> None:
    account = {"kind": "bearer", "token": "swordfish\nX-More: swordfish"}
    error = refusal(Api(settings(played.url, service_auth=account)))
    assert "swordfish" not in "".join(traceback.format_exception(error))
    assert "ejabberd.service_auth" in error.advice
    assert error.is_undone
    assert played.calls == []


def test_a_dry_run_shows_the_call_and_does_not_send_it(played: Played) -> None:
    calls: list[str] = []
    api = Api(settings(played.url), calls.append)
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
    assert played.changes == []


@pytest.fixture(scope="module")
def pems(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates(tmp_path_factory.mktemp("pems"))


def test_a_server_with_the_right_certificate_is_talked_to(pems: Certificates) -> None:
    with Played(tls=pems.good) as played:
        assert Api(settings(played.url, tls={"ca_file": pems.ca_file})).release == (26, 7)


@pytest.mark.parametrize(
    ("which", "advice"),
    [
        ("unknown", "ca_file"),
        ("self_signed", "ca_file"),
        ("expired", "ca_file"),
        ("other_name", "as the certificate names it"),
    ],
)
def test_a_server_with_another_certificate_gets_nothing(
    pems: Certificates, which: str, advice: str
) -> None:
    with Played(tls=getattr(pems, which)) as played:
        configured = settings(played.url, tls={"ca_file": pems.ca_file}, service_auth=BASIC)
        error = refusal(Api(configured))
        assert "certificate" in error.said.lower()
        assert advice in error.advice
        assert error.is_undone
        assert played.calls == []


def test_the_system_does_not_vouch_for_a_private_authority(pems: Certificates) -> None:
    with Played(tls=pems.good) as played:
        assert "CERTIFICATE_VERIFY_FAILED" in refusal(Api(settings(played.url))).said
        assert played.calls == []


def test_a_client_certificate_is_shown_where_there_is_one(pems: Certificates) -> None:
    with Played(tls=pems.wants_client) as played:
        tls = {"ca_file": pems.ca_file}
        error = refusal(Api(settings(played.url, tls=tls)))
        assert error.is_undone
        assert "client_cert" in error.advice
        assert played.calls == []
        named = {**tls, "client_cert": pems.client_file}
        assert Api(settings(played.url, tls=named)).release == (26, 7)


def test_proxies_of_the_environment_are_not_used(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert Api(settings(played.url)).release == (26, 7)


def test_a_server_that_goes_away_takes_nothing_with_it(played: Played) -> None:
    played.meets("kick_user", gone)
    api = Api(settings(played.url))
    assert not refusal(api).is_undone
    assert refusal(api).is_undone


def test_a_server_that_is_back_in_a_moment_is_waited_for_and_one_that_is_not_is_not() -> None:
    (port,) = free_ports(1)
    api = Api(settings(f"http://127.0.0.1:{port}/api"))
    with ThreadPoolExecutor(1) as aside:
        waiting = aside.submit(api.look, "registered_vhosts")
        time.sleep(0.2)
        with Played(port=port):
            assert waiting.result(20) == ["example.org"]
    begun = time.monotonic()
    for _ in range(api_module.PATIENCE):
        api._refused += 1
    for _ in range(100):
        with pytest.raises(ApiError, match="nothing answers"):
            api.look("registered_vhosts")
    assert time.monotonic() - begun < 100 * api_module.AWAY
