"""The chain kind: which table decides."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from pydantic import ValidationError

from extauth_http.backends.chain import UNDECIDED_REASONS
from extauth_http.program.outcome import Decision
from extauth_http.protocol.command import Command, Operation
from tests.decide import decide
from tests.integration.service import NO, YES, Service, answering, http, silent
from tests.settings import settings_of

PASSWORD = "pass"


@pytest.fixture
def services() -> Iterator[tuple[Service, Service]]:
    with Service(answering(NO)) as first, Service(answering(YES)) as second:
        yield first, second


def login(
    *tables: dict[str, Any], user: str = "alice", operation: Operation = Operation.AUTH
) -> Decision:
    command = Command(operation, user, "example.org", PASSWORD if operation.has_credential else "")
    return decide(command, seconds=2.0, kind="chain", **{"try": list(tables)})


def rest(service: Service, **keys: Any) -> dict[str, Any]:
    return {"kind": "rest", "url": service.url, **keys}


@pytest.mark.parametrize(
    ("answer", "decides"),
    [
        (NO, 2),
        (http(403), 1),
        (YES, 1),
        (http(500), 1),
        (http(200, "?"), 1),
        (http(404), 1),
    ],
    ids=["denied", "another reason", "allowed", "http_500", "not_an_answer", "http_404"],
)
@pytest.mark.parametrize("operation", Operation)
def test_only_a_listed_reason_of_a_no_passes_on(
    services: tuple[Service, Service], answer: bytes, decides: int, operation: Operation
) -> None:
    first, second = services
    first.behave = answering(answer)
    decision = login(rest(first, next_on=["denied"]), rest(second), operation=operation)
    assert decision.link == decides
    assert (len(first.requests), len(second.requests)) == (1, decides - 1)


@pytest.mark.parametrize("failure", ["refused", "silent"])
def test_no_verdict_never_passes_on(services: tuple[Service, Service], failure: str) -> None:
    first, second = services
    first.behave = silent
    url = first.url if failure == "silent" else "http://127.0.0.1:1/x"
    decision = login({**rest(first, next_on=["denied"]), "url": url}, rest(second))
    assert (decision.answer.verdict.value, decision.link) == ("undecided", 1)
    assert second.requests == []


def test_a_failure_of_a_plugin_never_passes_on(services: tuple[Service, Service]) -> None:
    _, second = services
    table = {"kind": "status", "url": "http://127.0.0.1:1/x", "next_on": ["denied"]}
    decision = login(table, rest(second))
    assert (decision.answer.verdict.value, decision.backend) == ("undecided", "status")


@pytest.mark.parametrize(
    ("users", "user", "is_asked"),
    [
        (["admin", "bot-*"], "admin", True),
        (["admin", "bot-*"], "bot-1", True),
        (["admin", "bot-*"], "bot-", True),
        (["admin", "bot-*"], "alice", False),
        (["admin", "bot-*"], "administrator", False),
        (["admin", "bot-*"], "my-bot-1", False),
        (["a.c"], "abc", False),
        (["a.c"], "a.c", True),
        (["[ab]"], "a", False),
        (["*"], "anybody", True),
        (["*-x-*"], "a-x-b", True),
        (["bot-*"], "bot-\n", True),
    ],
)
def test_a_table_can_be_for_some_users(
    services: tuple[Service, Service], users: list[str], user: str, is_asked: bool
) -> None:
    first, second = services
    decision = login(rest(first, users=users), rest(second), user=user)
    assert (decision.link, len(first.requests)) == ((1, 1) if is_asked else (2, 0))


def test_a_user_for_whom_there_is_no_table_is_refused(services: tuple[Service, Service]) -> None:
    first, second = services
    decision = login(rest(first, users=["a"]), rest(second, users=["b"]))
    assert (decision.answer.verdict.value, decision.answer.reason) == ("deny", "no_link")
    assert decision.link is None


def test_the_administrator_can_log_in_while_the_service_is_down(tmp_path: Path) -> None:
    file = tmp_path / "users"
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    file.write_text(f"admin:{hashed}\n")
    tables: list[dict[str, Any]] = [
        {"kind": "htpasswd", "file": str(file), "next_on": ["unknown_user"]},
        {"kind": "rest", "url": "http://127.0.0.1:1/x"},
    ]
    admin = login(*tables, user="admin")
    assert (admin.answer.verdict.value, admin.backend, admin.link) == ("allow", "htpasswd", 1)
    alice = login(*tables)
    assert (alice.answer.reason, alice.backend, alice.link) == ("connect_refused", "rest", 2)
    for operation in (Operation.SETPASS, Operation.REMOVEUSER):
        assert login(*tables, user="admin", operation=operation).answer.reason == "unsupported"


ONE = {"kind": "rest", "url": "http://a.example/"}


@pytest.mark.parametrize(
    ("backend", "error"),
    [
        ({"try": []}, "at least two tables"),
        ({"try": [ONE]}, "at least two tables"),
        ({"try": [ONE, ONE]}, "table 1 decides for everybody"),
        ({"try": [{**ONE, "next_on": ["denied"]}, {**ONE, "next_on": ["denied"]}]}, "last table"),
        ({"try": [{**ONE, "next_on": ["deadline"]}, ONE]}, "deadline is UNDECIDED"),
        ({"try": [{**ONE, "next_on": ["Not a word"]}, ONE]}, "expected the reason of a DENY"),
        ({"try": [{**ONE, "users": ["Admin"]}, ONE]}, "expected the name of a user"),
        ({"try": [{**ONE, "users": ["admin@example.org"]}, ONE]}, "expected the name of a user"),
        ({"try": [{**ONE, "users": [""]}, ONE]}, "expected the name of a user"),
        ({"try": [{**ONE, "jid_unescape": True, "users": ["a"]}, ONE]}, "try.1.jid_unescape"),
        ({"try": [{**ONE, "ur": "x", "users": ["a"]}, ONE]}, "backend.try.0.ur\n"),
        ({"try": [{"users": ["a"]}, ONE]}, "expected a table with a kind"),
        ({"try": [3, ONE]}, "expected a table"),
        ({"url": "http://a.example/", "try": [ONE, ONE]}, "url"),
        ({"trust_env": True, "try": [{**ONE, "users": ["a"]}, ONE]}, "sends no request of its own"),
    ],
)
def test_a_chain_that_cannot_be_used_is_an_error(backend: dict[str, Any], error: str) -> None:
    with pytest.raises(ValidationError) as caught:
        settings_of(backend={"kind": "chain", **backend})
    assert error in str(caught.value)


def test_warnings_and_endpoints_of_each_table_count() -> None:
    tables = [{**ONE, "users": ["a"]}, {**ONE, "url": "http://b.example/"}]
    settings = settings_of(backend={"kind": "chain", "try": tables})
    assert [each.rpartition("://")[2].split("/")[0] for each in settings.warnings()] == [
        "a.example",
        "b.example",
    ]


def test_the_list_of_undecided_reasons_has_no_reason_of_a_no() -> None:
    assert not UNDECIDED_REASONS & {"denied", "unknown_user", "not_a_token", "inactive", "no_link"}
