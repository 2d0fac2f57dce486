"""Responses that are not results."""

import gzip
import json
import socket
import traceback

import pytest

from extauth_http.admin.sessions import kick, list_sessions
from extauth_http.ejabberd_api import client as client_module
from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.ejabberd_api.errors import ApiError
from extauth_http.terminal.masking import MASK
from tests.admin.fake_ejabberd import Call, FakeEjabberd, respond, send_bytes
from tests.credentials import shown
from tests.ejabberd_api.calls import ALICE, BASIC, BEARER, HEADER, refusal, settings, then_closed
from tests.integration.service import http

HTML = "<html><h1>Login</h1></html>"


@pytest.mark.parametrize(
    ("answer", "text", "may_have_changed"),
    [
        (http(200, HTML, "Content-Type: text/html"), "status 200 and text/html", True),
        (http(404, HTML, "Content-Type: text/html"), "status 404 and text/html", False),
        (http(503, HTML, "Content-Type: text/html"), "status 503 and text/html", True),
        (
            http(200, ""),
            "is not mod_http_api: it answers with status 200 and no content type",
            True,
        ),
        (http(200, '{"num_resources":'), "is not mod_http_api", True),
        (http(200, b"\xff\xfe\xfd"), "is not mod_http_api", True),
        (http(200, "[" * 100_000), "is not mod_http_api", True),
        (http(200, "9" * 5000), "is not mod_http_api", True),
        (
            http(200, gzip.compress(b"[" + b" " * 10**6 + b"]"), "Content-Encoding: gzip"),
            "content_encoding",
            True,
        ),
        (http(302, "", "Location: http://127.0.0.1:1/stolen"), "status 302", False),
        (http(307, "", "Location: /api/kick_user"), "status 307", False),
        (http(307, '"moved"', "Location: /api/kick_user"), "redirects are not followed", False),
        (http(200, "{", "Content-Type: application/json"), "is not valid JSON", True),
        (http(200, '"no number"'), "a result of an unexpected form", True),
        (http(200, "[1]"), "a result of an unexpected form", True),
        (http(200, "null"), "a result of an unexpected form", True),
        (http(500, '"internal_error"'), "ejabberd answers: internal_error", True),
        (http(400, '"Room doesn\'t exists"'), "ejabberd answers: Room doesn't exists", False),
        (http(400, "{}"), "ejabberd answers with status 400", False),
        (http(204, "0"), "", None),
        (
            b"SSH-2.0-OpenSSH_9.2\r\n",
            "bad_http",
            True,
        ),
    ],
)
def test_a_response_that_is_not_a_result_is_an_error(
    fake: FakeEjabberd, answer: bytes, text: str, may_have_changed: bool | None
) -> None:
    fake.script("kick_user", then_closed(send_bytes(answer)))
    with pytest.raises(ApiError) as caught:
        kick(ApiClient(settings(fake.url)), ALICE)
    assert str(caught.value).startswith("kick_user: ")
    assert text in caught.value.message
    assert may_have_changed is None or caught.value.may_have_changed is may_have_changed
    assert len(fake.called("kick_user")) == 1  # no redirect is followed


def test_a_response_has_a_maximum_size(fake: FakeEjabberd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "MAX_RESPONSE", 1 << 20)
    fake.script("kick_user", send_bytes(http(200, " " * 2_000_000)))
    error = refusal(ApiClient(settings(fake.url)))
    assert ("too_large" in error.message, error.may_have_changed) == (True, True)


def test_a_result_other_than_0_is_an_error(fake: FakeEjabberd) -> None:
    fake.script("kick_session", respond(200, 1))
    with pytest.raises(ApiError, match="ejabberd reports a failure without a reason"):
        ApiClient(settings(fake.url)).change(
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
def test_a_list_with_items_of_another_form_is_an_error_that_names_the_command(
    fake: FakeEjabberd, answer: object
) -> None:
    fake.script("user_sessions_info", respond(200, answer))
    with pytest.raises(ApiError, match=r"^user_sessions_info: ejabberd returned a result"):
        list_sessions(ApiClient(settings(fake.url)), ALICE)


def test_a_time_that_is_out_of_range_is_an_error(fake: FakeEjabberd) -> None:
    (session,) = fake._user_sessions_info({"user": "alice", "host": "example.org"})
    fake.script("user_sessions_info", respond(200, [{**session, "uptime": 10**30}]))
    with pytest.raises(ApiError, match=r"^user_sessions_info: ejabberd returned a result"):
        list_sessions(ApiClient(settings(fake.url)), ALICE)


@pytest.mark.parametrize("account", [BASIC, BEARER, HEADER])
def test_errors_mask_secrets_that_the_server_repeats(
    fake: FakeEjabberd, account: dict[str, str]
) -> None:
    def echo(_: FakeEjabberd, call: Call, connection: socket.socket) -> None:
        text = json.dumps(f"{call.headers} {call.arguments}", ensure_ascii=False)
        connection.sendall(http(400, text))

    def echo_kind(_: FakeEjabberd, call: Call, connection: socket.socket) -> None:
        value = call.headers.get("authorization") or call.headers["x-api-key"]
        connection.sendall(http(400, "x", f"Content-Type: {value}"))

    fake.script("oauth_revoke_token", echo, echo_kind)
    api = ApiClient(settings(fake.url, service_auth=account))
    token = "".join(("hunter", "2"))  # a traceback quotes this file
    for _ in range(2):
        with pytest.raises(ApiError) as caught:
            api.change("oauth_revoke_token", token=token)
        text = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
        assert MASK in text
        assert not shown(text.encode())
    assert not shown(repr([api, vars(api), api.settings]).encode())
