"""Each behaviour of a service has its findings."""

import json
import socket
import time
import tomllib

import pytest

from extauth_http.check.finding import Level
from extauth_http.check.login import Login
from extauth_http.check.service import probe
from extauth_http.check.service.description import describe_answer
from extauth_http.program.outcome import Decision
from extauth_http.protocol.verdict import Answer, Verdict
from extauth_http.terminal.masking import MASK
from tests.check.findings import bad, ids, one
from tests.check.service.services import ALICE, found_of, only_alice
from tests.credentials import PASSWORD, shown
from tests.integration.service import NO, YES, Behaviour, Request, Service, answering, http
from tests.settings import settings_of


def auth_else(auth: bytes, isuser: bytes) -> Behaviour:
    def behave(request: Request, connection: socket.socket) -> None:
        connection.sendall(auth if request.target.endswith("/auth") else isuser)

    return behave


def slow(request: Request, connection: socket.socket) -> None:
    time.sleep(0.3 if request.target.endswith("/auth") else 0)
    connection.sendall(NO)


GOOD = {"backend-connects", "backend-refuses", "backend-answers", "backend-knows-nobody"}
SERVICES = [
    (only_alice, GOOD | {"backend-user"}, set()),
    (answering(YES), {"backend-user"}, {"backend-lets-everyone-in", "backend-knows-everybody"}),
    (auth_else(NO, YES), set(), {"backend-knows-everybody", "backend-user-refused"}),
    (answering(NO), GOOD, {"backend-user-refused"}),
    (answering(http(401)), GOOD, {"backend-user-refused"}),
    (answering(http(503)), set(), {"backend-undecided", "backend-isuser-undecided"}),
    (answering(http(200, "<html>log in")), set(), {"backend-undecided"}),
    (answering(http(302, "", "Location: /")), set(), {"backend-undecided"}),
    (auth_else(NO, http(503)), set(), {"backend-isuser-undecided", "backend-user-refused"}),
    (auth_else(http(503), NO), set(), {"backend-undecided", "backend-user-refused"}),
]


@pytest.mark.parametrize(("behave", "good", "not_good"), SERVICES)
def test_each_behaviour_of_a_service_has_its_findings(
    behave: Behaviour, good: set[str], not_good: set[str]
) -> None:
    with Service(behave) as service:
        found = found_of(service.url, ALICE)
    assert bad(found) >= not_good
    assert good <= ids(found)
    if not not_good:
        assert not bad(found)
    assert not shown(str(found).encode())


def test_an_undecided_login_is_not_a_refusal() -> None:
    with Service(answering(http(503))) as service:
        found = found_of(service.url)
    assert "backend-refuses" not in ids(found)
    assert "backend-answers" not in ids(found)
    finding = one(found, "backend-undecided")
    assert finding.level is Level.BROKEN
    assert "http_503" in finding.found


@pytest.mark.parametrize(("status", "is_hinted"), [(404, True), (405, True), (503, False)])
def test_a_status_of_a_wrong_url_has_a_hint(status: int, is_hinted: bool) -> None:
    with Service(answering(http(status))) as service:
        finding = one(found_of(service.url), "backend-undecided")
    assert any("wrong url" in line for line in finding.details) is is_hinted


def test_a_user_who_can_log_in_and_does_not_exist_is_a_warning() -> None:
    def behave(request: Request, connection: socket.socket) -> None:
        asked = request.json()
        connection.sendall(YES if asked.get("password") == PASSWORD else NO)

    with Service(behave) as service:
        found = found_of(service.url, ALICE)
    assert bad(found) == {"backend-user-unknown"}
    assert one(found, "backend-user-unknown").level is Level.WARNING


@pytest.mark.parametrize(
    ("answer", "cause"),
    [(http(403), "a wrong url or secret"), (NO, "a wrong secret"), (http(401), "wrong url")],
)
def test_a_service_that_refuses_everyone_looks_like_one_that_refuses_an_unknown_user(
    answer: bytes, cause: str
) -> None:
    with Service(answering(answer)) as service:
        refused = one(found_of(service.url), "backend-refuses")
        with_login = one(found_of(service.url, ALICE), "backend-refuses")
    assert cause in refused.found
    assert refused.found.endswith("extauth-http check --user JID")
    assert refused.level is (Level.WARNING if b" 403 " in answer else Level.GOOD)
    assert "--user" not in with_login.found


def test_the_refusal_of_a_login_that_a_wrong_url_also_causes_has_a_hint() -> None:
    with Service(answering(http(403))) as service:
        found = found_of(service.url, ALICE)
    assert any("wrong url" in line for line in one(found, "backend-user-refused").details)


def test_a_slow_service_is_a_warning_with_the_deadline() -> None:
    with Service(slow) as service:
        found = found_of(service.url, deadline=0.5)
    assert bad(found) == {"backend-slow"}
    assert "0.5 s" in one(found, "backend-slow").found


def test_a_service_that_never_replies_does_not_block_the_check() -> None:
    with Service(lambda *_: time.sleep(60)) as service:
        began = time.monotonic()
        found = found_of(service.url, ALICE, deadline=0.5)
    assert time.monotonic() - began < 10
    assert "deadline" in one(found, "backend-undecided").found


def test_a_refusal_without_a_request_is_a_warning() -> None:
    with Service() as service:
        found = found_of(service.url, operations={"auth": {"enabled": False}})
        assert not [each for each in service.requests if "auth" in each.target]
    assert bad(found) == {"backend-not-asked"}
    assert "switched_off" in one(found, "backend-not-asked").found


def test_an_isuser_without_a_request_is_good() -> None:
    with Service(answering(http(401))) as service:
        settings = settings_of(backend={"kind": "userinfo", "url": service.url})
        found = list(probe.findings(settings, [], None))
    assert "deny" in one(found, "backend-isuser-configured").found
    assert not bad(found)


def test_a_host_without_a_backend_is_broken() -> None:
    with Service(answering(NO)) as service:
        own = {"a.org": {"backend": {"kind": "rest", "url": service.url}}}
        settings = settings_of(hosts=own)
        found = list(probe.findings(settings, ["a.org", "b.org"], None))
    (finding,) = [each for each in found if each.level]
    assert (finding.id, finding.host) == ("backend-none", "b.org")
    more = tomllib.loads(finding.line)["hosts"]
    assert settings_of(hosts=own | more).hosts.keys() == {"a.org", "b.org"}


def test_a_backend_that_cannot_be_created_is_broken_without_its_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise ValueError(PASSWORD)

    with Service() as service:
        monkeypatch.setattr(probe, "_Probe", fail)
        found = found_of(service.url)
    assert one(found, "backend-fails").found.endswith("ValueError")


def test_the_service_of_a_nested_backend_is_probed_and_traced() -> None:
    nobody = answering(http(404, "{}", "Content-Type: application/json"))
    with Service(answering(http(401))) as tokens, Service(nobody) as users:
        isuser = {"kind": "rest", "url": users.url}
        backend = {"kind": "userinfo", "url": tokens.url, "isuser": isuser}
        found = list(probe.findings(settings_of(backend=backend), [], ALICE))
        assert {each.target for each in users.requests} == {"/x/isuser"}
    assert sum(each.id == "backend-connects" for each in found) == 2
    assert "says no to isuser" in one(found, "backend-knows-nobody").found
    refused = next(
        each for each in found if each.id == "backend-user-refused" and "isuser" in each.found
    )
    sent = '{"user": "alice", "host": "example.org"}'
    assert f"request: POST {users.url}/isuser {sent}" in refused.details
    assert "response: 404 application/json: {}" in refused.details


JSON = "Content-Type: application/json"
MISMATCHES: dict[str, tuple[dict[str, object], dict[str, object], tuple[str, ...]]] = {
    "another user": (
        {"kind": "introspection", "username_match": "{user}@{host}"},
        {"active": True, "username": "alice"},
        ("owner expected: alice@example.org", "owner found:    alice"),
    ),
    "another issuer": (
        {"kind": "introspection", "issuer": "https://login.example.org/a"},
        {"active": True, "username": "alice", "iss": "https://login.example.org/b"},
        (
            "issuer expected: https://login.example.org/a",
            "issuer found:    https://login.example.org/b",
        ),
    ),
    "no issuer": (
        {"kind": "introspection", "issuer": "https://login.example.org/a"},
        {"active": True, "username": "alice"},
        ("issuer expected: https://login.example.org/a", "issuer found:    none"),
    ),
    "another audience": (
        {"kind": "introspection", "audience": "xmpp"},
        {"active": True, "username": "alice", "aud": ["web", "app"]},
        ("audience expected: xmpp", 'audience found:    ["web", "app"]'),
    ),
    "a claim with another value": (
        {"kind": "introspection", "require": {"azp": ["xmpp", "chat"]}},
        {"active": True, "username": "alice", "azp": 7},
        ('azp expected: "xmpp" or "chat"', "azp found:    7"),
    ),
    "a missing scope": (
        {"kind": "introspection", "scope": "xmpp"},
        {"active": True, "username": "alice", "scope": "web"},
        ("scope expected: xmpp", "scope found:    web"),
    ),
}


@pytest.mark.parametrize("name", MISMATCHES)
def test_what_the_service_names_is_shown_beside_what_is_expected(name: str) -> None:
    backend, claims, lines = MISMATCHES[name]
    token = Login("alice", "example.org", "hunter2hunter2")
    with Service(answering(http(200, json.dumps(claims), JSON))) as service:
        settings = settings_of(backend={"url": service.url, **backend})
        found = list(probe.findings(settings, [], token))
    finding = next(
        each for each in found if each.id == "backend-user-refused" and "auth" in each.found
    )
    assert [line for line in finding.details if "expected:" in line or "found:" in line] == [*lines]
    assert ("username_match" in str(finding.details)) is (name == "another user")


def test_both_issuers_of_a_discovery_document_of_another_issuer_are_shown() -> None:
    document = json.dumps({"issuer": "https://login.example.org/b"})
    with Service(answering(http(200, document, JSON))) as service:
        issuer = f"{service.url}/a"
        settings = settings_of(backend={"kind": "userinfo", "issuer": issuer})
        found = list(probe.findings(settings, [], Login("alice", "example.org", "hunter2")))
    finding = one(found, "backend-undecided")
    assert "the discovery document is of another issuer" in finding.found
    assert f"issuer expected: {issuer}" in finding.details
    assert "issuer found:    https://login.example.org/b" in finding.details


@pytest.mark.parametrize(
    ("kind", "answer", "text"),
    [
        ("introspection", http(200, "<html>", "Content-Type: text/html"), "not JSON (text/html)"),
        ("rest", http(200, '{"a": 1}', JSON), "no rule of allow or deny holds for the response"),
        ("password_grant", http(400, '{"error": "invalid_scope"}', JSON), "invalid_scope"),
    ],
)
def test_the_detail_of_the_log_is_shown(kind: str, answer: bytes, text: str) -> None:
    with Service(answering(answer)) as service:
        settings = settings_of(backend={"kind": kind, "url": service.url})
        found = list(probe.findings(settings, [], Login("alice", "example.org", "hunter2")))
    assert text in next(each.found for each in found if each.id == "backend-undecided")


@pytest.mark.parametrize("password", ["tok", "owner", "token", "expected", "user", "alice"])
def test_sentences_of_the_program_are_not_searched_for_the_password(password: str) -> None:
    """Otherwise a mask in a known sentence says what the password is."""
    with Service(answering(http(401, "", "WWW-Authenticate: Bearer"))) as service:
        settings = settings_of(backend={"kind": "userinfo", "url": service.url})
        found = list(probe.findings(settings, [], Login("alice", "example.org", password)))
    refused = one(found, "backend-user-refused")
    assert "the service refused the token" in refused.found
    assert MASK not in refused.found


def test_a_text_of_a_plugin_is_searched_for_the_password() -> None:
    answer = Answer(Verdict.DENY, "own_reason", f"wrong: {PASSWORD}")
    assert describe_answer(Decision(answer, "own"), [PASSWORD]) == f"own_reason: wrong: {MASK}"


def test_an_undecided_login_says_nothing_about_other_logins() -> None:
    def behave(request: Request, connection: socket.socket) -> None:
        is_alice = request.json()["user"] == "alice"
        connection.sendall(YES if is_alice else http(503))

    with Service(behave) as service:
        found = found_of(service.url, ALICE)
    assert one(found, "backend-undecided").found.endswith("ejabberd refuses this login")
    assert [each.level for each in found if each.id == "backend-user"] == [Level.GOOD] * 2


def test_a_service_that_accepts_any_password_of_a_user_is_broken() -> None:
    def behave(request: Request, connection: socket.socket) -> None:
        connection.sendall(http(200, "wrong") if request.json()["user"] == ALICE.user else NO)

    with Service(behave) as service:
        found = found_of(service.url, ALICE, allow=[{"status": 200}])
    assert "backend-accepts-any-password" in bad(found)
    with Service(answering(*[NO] * 6, YES, NO)) as service:
        assert "backend-refuses-password" in ids(found_of(service.url, ALICE))
