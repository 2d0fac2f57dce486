"""The configuration hint of each failure."""

from typing import Any

import pytest
import yaml

from extauth_http.config.endpoint import Endpoint
from extauth_http.config.service_auth import StaticServiceAuth, static_service_auth_of_kind
from extauth_http.ejabberd_api import hints
from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.ejabberd_api.hints import CHECK_COMMANDS
from extauth_http.http.failure import RequestFailedError, Step
from tests.admin.fake_ejabberd import FakeEjabberd, respond
from tests.ejabberd_api.calls import BASIC, BEARER, HEADER, refusal, settings


@pytest.mark.parametrize(
    ("command", "status", "answer", "hint"),
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
def test_a_refused_call_has_a_hint(
    fake: FakeEjabberd, command: str, status: int, answer: object, hint: str
) -> None:
    fake.script(command, respond(status, answer))
    error = refusal(ApiClient(settings(fake.url)), command)
    assert hint in str(error.hint)
    assert not error.may_have_changed
    assert error.is_refused


def account(table: dict[str, str] | None) -> StaticServiceAuth | None:
    found: StaticServiceAuth | None = static_service_auth_of_kind(table)
    return found


def options(hint: hints.Hint | None) -> dict[str, Any]:
    """The options of a hint, as an operator copies them."""
    assert hint is not None
    found: dict[str, Any] = yaml.safe_load(str(hint).partition("\n\n")[2])
    return found


ADMIN = {"allow": [{"user": "admin@example.org"}]}
OAUTH = {"oauth": {"scope": "ejabberd:admin", "access": ADMIN}}
REFUSED = RequestFailedError("connect_refused", "nothing listens there", Step.CONNECT)
URL = Endpoint.parse("http://127.0.0.1:5443/api")
LOOPBACK = {"ip": ["127.0.0.1/8", "::1/128"]}


@pytest.mark.parametrize(
    ("table", "command", "who", "what"),
    [
        (BASIC, "kick_user", {"access": ADMIN}, "*"),
        (BASIC, "status", {"access": ADMIN}, "*"),
        (BEARER, "kick_user", OAUTH, "*"),
        (BEARER, "check_password", OAUTH, "*"),
        (HEADER, "kick_user", {"access": ADMIN}, "*"),
        (None, "kick_user", {"access": ADMIN}, "*"),
        (None, "check_password", LOOPBACK, list(CHECK_COMMANDS)),
        (None, "status", LOOPBACK, list(CHECK_COMMANDS)),
    ],
)
def test_a_permission_matches_how_the_caller_logs_in(
    table: dict[str, str] | None, command: str, who: object, what: object
) -> None:
    found = options(hints.refused(command, 403, account(table)))
    (rule,) = found.pop("api_permissions").values()
    assert rule == {"from": "mod_http_api", "who": who, "what": what}
    assert found == ({} if who == LOOPBACK else {"access_rules": {"configure": ADMIN}})


def test_a_permission_names_the_configured_account() -> None:
    named = account({**BASIC, "username": "bot@example.net"})
    assert "bot@example.net" in str(hints.refused("kick_user", 403, named))
    assert "admin@example.org" not in str(hints.refused("kick_user", 403, named))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:5280/api", {"port": 5280, "ip": "127.0.0.1"}),
        ("http://localhost:5443/admin", {"port": 5443, "ip": "127.0.0.1"}),
        ("https://chat.example.org/api", {"port": 443, "tls": True}),
    ],
)
def test_a_listener_has_the_port_of_the_url(url: str, expected: dict[str, object]) -> None:
    for hint in (
        hints.not_answered(REFUSED, Endpoint.parse(url)),
        hints.not_the_api(Endpoint.parse(url)),
    ):
        (listener,) = options(hint)["listen"]
        handlers = {"module": "ejabberd_http", "request_handlers": {"/api": "mod_http_api"}}
        assert listener == {**handlers, **expected}


@pytest.mark.parametrize("status", [400, 404, 409, 500])
def test_an_error_of_unknown_cause_has_no_hint(status: int) -> None:
    assert hints.refused("kick_user", status, None) is None


@pytest.mark.parametrize(
    ("reason", "detail", "step", "expected"),
    [
        ("name_not_found", "x: Name or service not known", Step.CONNECT, "host name in the URL"),
        ("bad_request", "a header", Step.PREPARE, "[ejabberd.service_auth]"),
        ("tls", "x: WRONG_VERSION_NUMBER", Step.CONNECT, "does not use TLS"),
        ("tls", "TLSV13_ALERT_CERTIFICATE_REQUIRED", Step.RECEIVE, "client_cert"),
        ("tls", "x: SSLV3_ALERT_HANDSHAKE_FAILURE", Step.CONNECT, "client_cert"),
    ],
)
def test_a_failed_request_has_a_hint(reason: str, detail: str, step: Step, expected: str) -> None:
    hint = hints.not_answered(RequestFailedError(reason, detail, step), URL)
    assert expected in str(hint)


@pytest.mark.parametrize("reason", ["deadline", "connection_lost", "too_large"])
def test_a_lost_response_has_no_hint(reason: str) -> None:
    assert hints.not_answered(RequestFailedError(reason, "", Step.RECEIVE), URL) is None
