"""The mongooseim kind: each row of MongooseIM's "HTTP authentication method"."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from extauth_http.protocol.command import Command, Operation
from tests.decide import decide
from tests.integration.service import Request, Service, answering, http

BASIC = {"service_auth": {"kind": "basic", "username": "mim", "password": "s3cret"}}


def decided(operation: str, answer: bytes, **more: Any) -> tuple[str, str, Request]:
    known = Operation(operation)
    command = Command(known, "a&b", "example.org", "p=&ä" if known.has_credential else "")
    with Service(answering(answer)) as service:
        found = decide(command, kind="mongooseim", url=f"{service.url}/prefix", **more).answer
        return found.verdict.value, found.reason, service.requests[0]


@pytest.mark.parametrize(
    ("operation", "method", "name", "has_password"),
    [
        ("auth", "GET", "check_password", True),
        ("isuser", "GET", "user_exists", False),
        ("setpass", "POST", "set_password", True),
        ("tryregister", "POST", "register", True),
        ("removeuser", "POST", "remove_user", False),
        ("removeuser3", "POST", "remove_user_validate", True),
    ],
)
def test_each_operation_is_a_method_of_the_api(
    operation: str, method: str, name: str, has_password: bool
) -> None:
    *_, request = decided(operation, http(200, "true"), **BASIC)
    target = urlsplit(request.target)
    assert (request.method, target.path) == (method, f"/x/prefix/{name}")
    fields = target.query if method == "GET" else request.body.decode()
    assert parse_qs(fields) == {
        "user": ["a&b"],
        "server": ["example.org"],
        **({"pass": ["p=&ä"]} if has_password else {}),
    }
    assert bool(target.query) is (method == "GET")
    assert request.headers["authorization"] == "Basic bWltOnMzY3JldA=="


READS = ["auth", "isuser"]
ROWS = [
    *[(read, 200, "true", "allow") for read in READS],
    *[(read, 200, "false", "deny") for read in READS],
    *[(read, 200, "true\n", "allow") for read in READS],
    *[(read, 200, body, "undecided") for read in READS for body in ('"true"', "", "yes", "<html>")],
    *[(read, status, "true", "undecided") for read in READS for status in (201, 204, 400, 401)],
    *[(read, status, "", "undecided") for read in READS for status in (403, 404, 409, 500)],
    *[("setpass", status, "", "allow") for status in (200, 201, 204)],
    *[("setpass", status, "", "deny") for status in (403, 404)],
    *[("setpass", status, "", "undecided") for status in (302, 400, 401, 409, 500)],
    ("tryregister", 201, "", "allow"),
    ("tryregister", 409, "", "deny"),
    ("tryregister", 403, "", "deny"),
    *[("tryregister", status, "", "undecided") for status in (200, 204, 400, 401, 404, 500)],
    *[
        (remove, status, "", verdict)
        for remove in ("removeuser", "removeuser3")
        for status, verdict in [
            (200, "allow"),
            (201, "allow"),
            (204, "allow"),
            (404, "deny"),
            (403, "deny"),
            (400, "undecided"),
            (401, "undecided"),
            (500, "undecided"),
        ]
    ],
]


@pytest.mark.parametrize(("operation", "status", "body", "verdict"), ROWS)
def test_each_status_of_the_documentation_has_its_verdict(
    operation: str, status: int, body: str, verdict: str
) -> None:
    assert decided(operation, http(status, body))[0] == verdict


def test_a_service_that_refuses_the_program_has_a_reason_of_its_own() -> None:
    assert decided("auth", http(401), **BASIC)[:2] == ("undecided", "service_auth_refused")


def test_certauth_is_unsupported() -> None:
    command = Command(Operation.CERTAUTH, "alice", "example.org", "MII")
    answer = decide(command, kind="mongooseim", url="http://127.0.0.1:1/").answer
    assert (answer.verdict.value, answer.reason) == ("deny", "unsupported")


def test_an_old_password_is_refused_and_without_the_service_it_is_undecided() -> None:
    command = Command(Operation.AUTH, "alice", "example.org", "pass")
    with Service(answering(http(200, "true"), http(200, "false"))) as service:
        backend: dict[str, Any] = {"kind": "mongooseim", "url": service.url}
        assert decide(command, **backend).answer.verdict.value == "allow"
        assert decide(command, **backend).answer.verdict.value == "deny"
    assert decide(command, **backend).answer.reason == "connect_refused"
