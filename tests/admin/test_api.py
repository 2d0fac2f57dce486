"""A call and what came of it, by a scripted ``mod_http_api`` over a real socket."""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from extauth_http.admin import api as api_module
from extauth_http.admin.api import Api, ApiError
from extauth_http.admin.settings import EjabberdSettings
from tests.admin.scripted import FORBIDDEN, NOT_FOUND, UNAUTHORIZED, Answer, Refusal, Scripted
from tests.integration.certificates import Certificates, certificates
from tests.integration.service import Service, http

KICK = {"user": "alice", "host": "example.org"}


@contextmanager
def api_of(
    release: tuple[int, int] | None, answers: Mapping[str, Answer], **more: Any
) -> Iterator[tuple[Api, Scripted]]:
    scripted = Scripted(release, answers)
    with Service(scripted) as service:
        settings = EjabberdSettings.model_validate(
            {"api": f"http://127.0.0.1:{service.port}/api", **more}
        )
        api = Api(settings)
        yield api, scripted
        api.close()


def test_what_the_server_says_is_given_back_and_its_release_is_asked_once() -> None:
    with api_of((26, 7), {"kick_user/v2": "Kicked sessions: 1"}) as (api, scripted):
        assert api.change("kick_user", **KICK) == "Kicked sessions: 1"
        assert api.change("kick_user", **KICK) == "Kicked sessions: 1"
        assert api.release == (26, 7)
        assert scripted.paths() == ["kick_user/v2", "kick_user/v2"]
        assert scripted.calls[0].arguments == KICK


ABOUT_FORM = [
    "Request have missing argument: name",
    "Request have unknown arguments: [room]",
    "Request have duplicate argument: room",
    "Arg <<98,111,98>> is not in format {list,{jid,binary}}",
]


@pytest.mark.parametrize("said", ABOUT_FORM)
def test_where_a_server_would_be_called_otherwise_it_is(said: str) -> None:
    """A release between two that the table knows, or one that does not tell which it is."""

    def old(arguments: dict[str, Any]) -> Any:
        return 0 if "name" in arguments else Refusal(400, said)

    with api_of(None, {"destroy_room": old}) as (api, scripted):
        assert api.change("destroy_room", room="tea", service="c") == 0
        assert [call.arguments for call in scripted.calls] == [
            {"room": "tea", "service": "c"},
            {"name": "tea", "service": "c"},
        ]


def test_a_server_that_knows_no_versions_in_paths_is_called_without() -> None:
    versioned = Refusal(400, {"status": "error", "code": 40, "message": "Missing command name."})
    answers = {"kick_user/v2": versioned, "kick_user": {"num_resources": 2}}
    with api_of(None, answers) as (api, _):
        assert api.change("kick_user", **KICK) == {"num_resources": 2}


def test_where_no_form_is_taken_the_first_refusal_is_told() -> None:
    answers = {"destroy_room": Refusal(400, "Request have missing argument: nobody knows")}
    with api_of((26, 7), answers) as (api, scripted), pytest.raises(ApiError) as refused:
        api.change("destroy_room", room="tea", service="c")
    assert "nobody knows" in str(refused.value)
    assert len(scripted.calls) == 2


@pytest.mark.parametrize(
    ("answer", "said", "advice", "is_undone"),
    [
        (Refusal(400, "Room doesn't exists"), "Room doesn't exists", "", True),
        (Refusal(500, "internal_error"), "internal_error", "", False),
        (Refusal(401, UNAUTHORIZED), "not authorized", "service_auth", True),
        (Refusal(403, FORBIDDEN), "AccessRules", "api_permissions:", True),
        (Refusal(404, NOT_FOUND), "Endpoint not found", "mod_muc_admin: {}", True),
        (http(404, "<html>", "Content-Type: text/html"), "not mod_http_api", "/api:", True),
        (http(200, "<html>Log in", "Content-Type: text/html"), "not mod_http_api", "", False),
        (http(200, ""), "not mod_http_api", "", False),
        (http(502, "<html>", "Content-Type: text/html"), "not mod_http_api", "", False),
        (1, "ejabberd says no, and not why", "", False),
        (http(302, "", "Location: http://127.0.0.1:1/"), "status 302", "", True),
        (b"", "the answer got lost", "", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{", "the answer got lost", "", False),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "the answer got lost", "", False),
    ],
)
def test_an_error_names_the_command_what_was_said_and_the_likely_cause(
    answer: Answer, said: str, advice: str, is_undone: bool
) -> None:
    def and_close(arguments: dict[str, Any]) -> Answer:
        return answer

    with api_of((26, 7), {"destroy_room": and_close}, timeout=1) as (api, scripted):
        with pytest.raises(ApiError) as failed:
            api.change("destroy_room", room="tea", service="c")
        assert str(failed.value).startswith("destroy_room: ")
        assert said in failed.value.said
        assert advice in failed.value.advice
        assert failed.value.is_undone is is_undone
        assert len(scripted.calls) == 1  # what may have run is not sent again


def test_a_page_that_never_ends_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_module, "MAX_BODY", 1 << 20)
    endless = b"HTTP/1.1 200 OK\r\nContent-Length: 900000000\r\n\r\n" + b"x" * 2_000_000
    with api_of((26, 7), {"destroy_room": endless}, timeout=5) as (api, _):
        with pytest.raises(ApiError, match="longer than 1 MiB") as failed:
            api.change("destroy_room", room="tea", service="c")
        assert not failed.value.is_undone


def test_a_connection_that_is_refused_has_done_nothing_and_is_tried_for_a_moment() -> None:
    with Service() as gone:
        pass
    settings = EjabberdSettings.model_validate({"api": f"http://127.0.0.1:{gone.port}/api"})
    api = Api(settings)
    with pytest.raises(ApiError, match="nothing answers") as failed:
        api.change("kick_user", **KICK)
    assert failed.value.is_undone
    assert "request_handlers" in failed.value.advice


def test_a_command_that_the_release_does_not_have_is_not_called() -> None:
    with api_of((24, 12), {}) as (api, scripted):
        assert not api.has("muc_get_registered_nick")
        with pytest.raises(ApiError, match=r"it came with 25\.10"):
            api.look("muc_get_registered_nick", user="a", host="h", service="s")
        assert scripted.calls == []


def test_a_dry_run_looks_and_shows_what_it_would_change_without_secrets() -> None:
    shown: list[str] = []
    scripted = Scripted((23, 1), {"user_sessions_info": []})
    with Service(scripted) as service:
        api = Api(
            EjabberdSettings.model_validate({"api": f"http://127.0.0.1:{service.port}/api"}),
            shown.append,
        )
        assert api.look("user_sessions_info", **KICK) == []
        assert api.change("oauth_revoke_token", token="very-secret-token") is None
        invitation = {"room": "tea", "service": "c", "reason": "", "users": ["a@h"]}
        assert api.change("send_direct_invitation", password="swordfish", **invitation) is None
    assert scripted.paths() == ["user_sessions_info"]
    assert shown[0] == 'oauth_revoke_token {"token": "********"}'
    assert '"name": "tea"' in shown[1]
    assert "swordfish" not in shown[1]


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        (None, "authorization", None),
        (
            {"kind": "basic", "username": "a@h", "password": "päss:word"},
            "authorization",
            "Basic YUBoOnDDpHNzOndvcmQ=",
        ),
        ({"kind": "bearer", "token": "xyzzy"}, "authorization", "Bearer xyzzy"),
        ({"kind": "header", "name": "X-Key", "value": "k"}, "x-key", "k"),
    ],
)
def test_who_asks_is_told_as_it_is_configured(
    auth: dict[str, str] | None, header: str, value: str | None
) -> None:
    with api_of((26, 7), {"user_sessions_info": []}, service_auth=auth) as (api, scripted):
        api.look("user_sessions_info", **KICK)
        assert scripted.calls[0].headers.get(header) == value
        for secret in ("päss", "xyzzy"):
            assert secret not in repr(api.__dict__)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates(tmp_path_factory.mktemp("pki"))


@pytest.mark.parametrize("name", ["good", "expired", "other_name", "self_signed", "unknown"])
def test_a_certificate_is_verified(name: str, pki: Certificates) -> None:
    context: ssl.SSLContext = getattr(pki, name)
    with Service(Scripted((26, 7), {"user_sessions_info": []}), tls=context) as service:
        url = f"https://localhost:{service.port}/api"
        api = Api(EjabberdSettings.model_validate({"api": url, "tls": {"ca_file": pki.ca_file}}))
        if name == "good":
            assert api.look("user_sessions_info", **KICK) == []
            return
        with pytest.raises(ApiError, match="nothing answers") as refused:
            api.look("user_sessions_info", **KICK)
        advice = "as the certificate names it" if name == "other_name" else "[ejabberd.tls]"
        assert advice in refused.value.advice


def test_a_certificate_of_its_own_is_shown(pki: Certificates) -> None:
    scripted = Scripted((26, 7), {"user_sessions_info": []})
    with Service(scripted, tls=pki.wants_client) as service:
        tls: dict[str, Path] = {"ca_file": pki.ca_file, "client_cert": pki.client_file}
        url = f"https://localhost:{service.port}/api"
        api = Api(EjabberdSettings.model_validate({"api": url, "tls": tls}))
        assert api.look("user_sessions_info", **KICK) == []
