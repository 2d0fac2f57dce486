"""The rest contract: what is sent, and what each answer means."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import ValidationError

from extauth_http.program.outcome import Decision
from extauth_http.protocol.command import Command, Operation
from extauth_http.protocol.verdict import Answer, Verdict
from tests.decide import decide
from tests.integration.service import NO, YES, Request, Service, answering, http
from tests.settings import settings_of

AUTHORIZED: dict[str, Any] = {"service_auth": {"kind": "bearer", "token": "s3cret"}}
EVERY = [operation.value for operation in Operation]


def verdict(operation: str, answer: bytes, **settings: Any) -> tuple[str, str]:
    with Service(answering(answer)) as service:
        decision = decide(command(operation), kind="rest", url=service.url, **settings)
    return decision.answer.verdict.value, decision.answer.reason


def sent(operation: str, user: str = "alice", **settings: Any) -> Request:
    with Service(answering(YES)) as service:
        decide(command(operation, user), kind="rest", url=service.url, **settings)
        return service.requests[0]


def command(operation: str, user: str = "alice") -> Command:
    known = Operation(operation)
    return Command(known, user, "example.org", "pass" if known.has_credential else "")


@pytest.mark.parametrize("operation", EVERY)
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (http(200, "true"), "allow"),
        (http(201, "true"), "allow"),
        (http(200, '{"result": true}'), "allow"),
        (http(201, '{"result": true, "more": 1}'), "allow"),
        (http(204), "allow"),
        (http(200, "false"), "deny"),
        (http(201, "false"), "deny"),
        (http(200, '{"result": false}'), "deny"),
        (http(403), "deny"),
        (http(403, "true"), "deny"),
        (http(401), "deny"),
    ],
)
def test_a_yes_and_a_no_mean_the_same_to_every_operation(
    operation: str, answer: bytes, expected: str
) -> None:
    status = int(answer.split()[1])
    reason = f"http_{status}" if status > 400 else {"allow": "allowed", "deny": "denied"}[expected]
    with Service(answering(answer)) as service:
        decision = decide(command(operation), kind="rest", url=service.url)
    assert decision == Decision(Answer(Verdict(expected), reason), "rest", status)


NO_TO = {
    404: {"isuser", "removeuser", "removeuser3", "setpass", "tryregister"},
    409: {"setpass", "tryregister"},
    422: {"setpass", "tryregister"},
}


@pytest.mark.parametrize("operation", EVERY)
@pytest.mark.parametrize("status", NO_TO)
def test_some_statuses_are_a_no_to_some_operations(operation: str, status: int) -> None:
    expected = "deny" if operation in NO_TO[status] else "undecided"
    assert verdict(operation, http(status)) == (expected, f"http_{status}")


@pytest.mark.parametrize("operation", EVERY)
@pytest.mark.parametrize("status", [202, 203, 206, 301, 302, 307, 400, 402, 405, 429, 500, 503])
def test_any_other_status_is_no_verdict(operation: str, status: int) -> None:
    answer = http(status, "true", "Location: /elsewhere")
    assert verdict(operation, answer) == ("undecided", f"http_{status}")


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "1",
        '"true"',
        "[true]",
        "{}",
        '{"result": 1}',
        '{"result": "true"}',
        '{"result": null}',
        '{"result": {"result": true}}',
        '{"Result": true}',
        '{"result": false, "result": true}',
        '{"result": true',
        "true false",
        "True",
        "NaN",
        "<html>please log in</html>",
        "[" * 50_000,
        "9" * 10_000,
        "\ufefftrue",
    ],
)
def test_what_says_neither_yes_nor_no_is_no_verdict(body: str) -> None:
    assert verdict("auth", http(200, body)) == ("undecided", "not_an_answer")


def test_bytes_that_are_no_text_are_no_verdict() -> None:
    assert verdict("auth", http(200, b"\xff\xfe")) == ("undecided", "not_an_answer")


@pytest.mark.parametrize("operation", EVERY)
def test_a_service_that_refuses_the_program_says_nothing_about_the_user(operation: str) -> None:
    assert verdict(operation, http(401), **AUTHORIZED) == ("undecided", "service_auth_refused")


@pytest.mark.parametrize(
    ("operation", "extra"),
    [
        ("auth", {"password": "pass"}),
        ("isuser", {}),
        ("setpass", {"password": "pass"}),
        ("tryregister", {"password": "pass"}),
        ("removeuser", {}),
        ("removeuser3", {"password": "pass"}),
        ("certauth", {"certificate": "pass"}),
    ],
)
def test_an_operation_is_a_post_with_json(operation: str, extra: dict[str, str]) -> None:
    request = sent(operation)
    assert (request.method, request.target) == ("POST", f"/x/{operation}")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["cache-control"] == "no-store"
    assert request.headers["accept-encoding"] == "identity"
    assert request.json() == {"user": "alice", "host": "example.org", **extra}


def test_the_program_names_itself_as_configured() -> None:
    assert sent("auth", **AUTHORIZED).headers["authorization"] == "Bearer s3cret"
    assert "authorization" not in sent("auth").headers


def test_a_form_is_sent_where_the_service_wants_one() -> None:
    changed = {"form": {"login": "{user}", "pw": "{password}"}}
    request = sent("auth", user="a&b=c", operations={"auth": changed})
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert parse_qs(request.body.decode()) == {"login": ["a&b=c"], "pw": ["pass"]}


def test_a_query_is_sent_where_the_service_wants_one() -> None:
    fields = {name: f"{{{name}}}" for name in ("user", "host", "password")}
    changed = {"method": "GET", "path": "check", "query": fields}
    request = sent("auth", user="a&b=c/é", operations={"auth": changed})
    target = urlsplit(request.target)
    assert (request.method, target.path, request.body) == ("GET", "/x/check", b"")
    assert parse_qs(target.query) == {
        "user": ["a&b=c/é"],
        "host": ["example.org"],
        "password": ["pass"],
    }


@pytest.mark.parametrize(
    ("user", "target"),
    [
        ("alice", "/x/u/alice/example.org"),
        ("a/b?x=", "/x/u/a%2Fb%3Fx%3D/example.org"),
        ("{host}", "/x/u/%7Bhost%7D/example.org"),
        ("a%2fb#c d", "/x/u/a%252fb%23c%20d/example.org"),
        ("jürgen", "/x/u/j%C3%BCrgen/example.org"),
    ],
)
def test_a_name_stays_one_path_segment(user: str, target: str) -> None:
    operations = {"isuser": {"path": "u/{user}/{host}"}}
    assert sent("isuser", user=user, operations=operations).target == target


def test_a_host_stays_one_path_segment() -> None:
    operations = {"isuser": {"path": "{host}/{user}"}}
    asked = Command(Operation.ISUSER, "alice", "a/b?c X")
    with Service() as service:
        decide(asked, kind="rest", url=service.url, operations=operations)
    assert service.requests[0].target == "/x/a%2Fb%3Fc%20X/alice"


@pytest.mark.parametrize("user", [".", "..", "../admin?x=", "a/../b"])
def test_a_name_that_would_be_a_step_in_the_path_is_refused(user: str) -> None:
    with Service() as service:
        operations = {"isuser": {"path": "u/{user}"}}
        decision = decide(
            command("isuser", user), kind="rest", url=service.url, operations=operations
        )
        assert decision.answer.reason == "unsafe_name"
        assert service.requests == []


def test_the_result_may_be_anywhere_in_the_answer() -> None:
    field = {"status": 200, "field": "data.allowed"}
    rules = {"allow": [{**field, "equals": True}], "deny": [{**field, "equals": False}]}
    operations = {"auth": rules}
    yes, no = ({"data": {"allowed": said}, "result": not said} for said in (True, False))
    assert verdict("auth", http(200, json.dumps(yes)), operations=operations)[0] == "allow"
    assert verdict("auth", http(200, json.dumps(no)), operations=operations)[0] == "deny"
    flat = http(200, '{"data": true, "result": true}')
    assert verdict("auth", flat, operations=operations) == ("undecided", "not_an_answer")


def test_an_operation_that_is_off_is_refused_without_asking() -> None:
    with Service(answering(NO)) as service:
        off: dict[str, Any] = {"operations": {"setpass": {"enabled": False}}}
        decision = decide(command("setpass"), kind="rest", url=service.url, **off)
        assert decision.answer.reason == "switched_off"
        assert service.requests == []


def test_a_query_in_the_url_stays() -> None:
    with Service(answering(YES)) as service:
        decide(command("auth"), kind="rest", url=f"{service.url}/?tenant=7")
        assert service.requests[0].target == "/x/auth?tenant=7"


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"headers": {"authorization": "x"}, **AUTHORIZED}, "service_auth sends this header"),
        ({"headers": {"X-A": "{password}"}}, "operations.isuser: headers.X-A: there is no"),
        ({"url": "http://{host}/x"}, "expected https"),
        ({"url": "https://{user}.example.org"}, "there is no {user} here; expected one of {host}"),
        ({"allow": [{"status": ["2xx", "3xx", "4xx", "5xx"]}]}, "everybody could log in"),
        ({"allow": [{}]}, "at least one condition"),
        ({"owner": {"field": "a", "equals": "{host}"}}, "any token would be accepted"),
        ({"owner": {"equals": "{user}"}}, "expected field or header"),
        ({"operations": {"auth": {"path": "{password}"}}}, "path: a credential in a path"),
        ({"operations": {"auth": {"path": "a?b={user}"}}}, "expected a percent-encoded path"),
        ({"operations": {"auth": {"path": "../{user}"}}}, "no segment . or .."),
        ({"operations": {"auth": {"json": {"a": "{usr}"}}}}, "json.a: unknown placeholder {usr}"),
        ({"operations": {"isuser": {"json": {"a": "{password}"}}}}, "there is no {password} here"),
        (
            {"operations": {"auth": {"after": {"path": "x", "json": {"a": "{answer}"}}}}},
            "after.json",
        ),
    ],
)
def test_a_configuration_that_cannot_be_used_is_an_error_that_names_the_key(
    settings: dict[str, Any], error: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        settings_of(backend={"kind": "rest", "url": "http://127.0.0.1/x", **settings})
    assert error in str(caught.value)


def test_a_credential_in_a_query_is_a_warning() -> None:
    table = {"method": "GET", "query": {"u": "{user}", "p": "{password}"}}
    url = "http://127.0.0.1/x"
    found = settings_of(backend={"kind": "rest", "url": url, "operations": {"auth": table}})
    assert ["operations.auth.query" in each for each in found.warnings()] == [True]


def test_an_operation_that_is_off_leaves_the_others_on() -> None:
    operations = {"auth": {"enabled": False}, "isuser": {"enabled": False}}
    assert sent("setpass", operations=operations).target == "/x/setpass"
