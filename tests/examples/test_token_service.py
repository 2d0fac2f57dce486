"""The reference service keeps the contract that it is there to show."""

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.token_service import TokenService, token_service

ALICE = {"user": "alice", "host": "example.org"}
BOB = {"user": "bob", "host": "example.org"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenService]:
    with token_service(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture
def service(running: TokenService) -> TokenService:
    for jid, password in (("alice@example.org", "wonder:land"), ("bob@example.org", "builder")):
        user, host = jid.split("@")
        ask(running, "removeuser", {"user": user, "host": host})
        running.add(jid, password)
    return running


def ask(service: TokenService, operation: str, content: Any, **options: Any) -> httpx.Response:
    return httpx.post(f"{service.url}/{operation}", json=content, trust_env=False, **options)


def says(service: TokenService, operation: str, content: Any) -> bool:
    answer = ask(service, operation, content)
    assert answer.status_code == 200, answer.text
    result = answer.json()["result"]
    assert isinstance(result, bool)
    return result


def may_log_in(service: TokenService, who: dict[str, str], credential: str) -> bool:
    return says(service, "auth", {**who, "password": credential})


def test_a_password_and_a_token_are_both_right(service: TokenService) -> None:
    assert may_log_in(service, ALICE, "wonder:land")
    assert may_log_in(service, ALICE, service.issue("alice@example.org"))


def test_what_is_wrong_is_refused(service: TokenService) -> None:
    assert not may_log_in(service, ALICE, "builder")
    assert not may_log_in(service, ALICE, "xt_made-up")
    assert not may_log_in(service, {"user": "nobody", "host": "example.org"}, "nobody")


def test_a_token_counts_only_for_its_owner(service: TokenService) -> None:
    token = service.issue("alice@example.org")
    assert not may_log_in(service, BOB, token)
    assert not may_log_in(service, {"user": "alice", "host": "b.example"}, token)


def test_a_revoked_token_is_refused_by_the_next_request(service: TokenService) -> None:
    token = service.issue("alice@example.org")
    assert may_log_in(service, ALICE, token)
    service.revoke(token)
    assert not may_log_in(service, ALICE, token)


def test_a_token_ends_by_itself(service: TokenService) -> None:
    assert not may_log_in(service, ALICE, service.issue("alice@example.org", seconds=0))


def test_a_new_password_ends_the_old_one_and_all_tokens(service: TokenService) -> None:
    token = service.issue("alice@example.org")
    assert says(service, "setpass", {**ALICE, "password": "new"})
    assert may_log_in(service, ALICE, "new")
    assert not may_log_in(service, ALICE, "wonder:land")
    assert not may_log_in(service, ALICE, token)


def test_users_come_and_go(service: TokenService) -> None:
    carol = {"user": "carol", "host": "example.org"}
    assert not says(service, "isuser", carol)
    assert says(service, "tryregister", {**carol, "password": "first"})
    assert not says(service, "tryregister", {**carol, "password": "second"})
    assert says(service, "isuser", carol)
    assert may_log_in(service, carol, "first")
    token = service.issue("carol@example.org")
    assert not says(service, "removeuser3", {**carol, "password": "second"})
    assert says(service, "removeuser3", {**carol, "password": "first"})
    assert not says(service, "isuser", carol)
    assert not may_log_in(service, carol, token)
    assert not says(service, "removeuser", carol)
    assert not says(service, "setpass", {**carol, "password": "x"})


@pytest.mark.parametrize(
    ("operation", "content", "expected"),
    [
        ("auth", [], "expected a JSON object"),
        ("auth", ALICE, "expected password, a text that is not empty"),
        ("auth", {**ALICE, "password": ""}, "expected password, a text that is not empty"),
        ("auth", {**ALICE, "password": ["x"]}, "expected password, a text that is not empty"),
        ("isuser", {"user": "alice"}, "expected host, a text that is not empty"),
        ("certauth", {**ALICE, "password": "x"}, "expected certificate, a text that is not empty"),
        ("auth", {**ALICE, "password": "x" * 200_000}, "longer than 131072 bytes"),
    ],
)
def test_what_is_no_request_gets_no_verdict(
    service: TokenService, operation: str, content: Any, expected: str
) -> None:
    answer = ask(service, operation, content)
    assert (answer.status_code, answer.json()) == (400, {"error": expected})


@pytest.mark.parametrize(
    "body",
    [
        b'{"user": "alice", "host": "example.org", "password": "\xff"}',
        b'{"user": "alice", "host": "example.org", "password": "\\ud800"}',
        b"[" * 100_000,
        b'{"user": ' * 20_000,
        b"\x00",
        b"",
    ],
    ids=["not UTF-8", "half a character", "deep", "deeper", "zero", "empty"],
)
def test_what_cannot_be_read_is_a_bad_request_and_no_failure(
    service: TokenService, body: bytes
) -> None:
    answer = httpx.post(f"{service.url}/auth", content=body, trust_env=False)
    assert answer.status_code == 400
    assert "error" in answer.json()


def test_a_password_that_begins_like_a_token_is_a_password(service: TokenService) -> None:
    assert says(service, "setpass", {**ALICE, "password": "xt_my own"})
    assert may_log_in(service, ALICE, "xt_my own")
    assert not may_log_in(service, ALICE, "xt_my ow")


def test_users_of_different_hosts_are_never_the_same(service: TokenService) -> None:
    assert says(service, "tryregister", {"user": "a@b", "host": "c", "password": "one"})
    other = {"user": "a", "host": "b@c", "password": "one"}
    assert ask(service, "auth", other).status_code == 400
    assert says(service, "removeuser", {"user": "a@b", "host": "c"})


@pytest.mark.parametrize(
    ("sent", "echoed"), [("3f9c-1.a_B", "3f9c-1.a_B"), ("a b", None), ("x" * 200, None)]
)
def test_the_request_id_comes_back_where_it_is_one(
    service: TokenService, sent: str, echoed: str | None
) -> None:
    answer = ask(service, "isuser", ALICE, headers={"X-Request-ID": sent})
    assert answer.headers.get("x-request-id") == echoed


def test_with_a_service_token_only_its_bearer_is_answered(tmp_path: Path) -> None:
    file = tmp_path / "service.token"
    file.write_text("s3cret\n")
    with token_service(tmp_path, "--service-token-file", str(file)) as service:
        assert ask(service, "isuser", ALICE).status_code == 401
        wrong = {"Authorization": "Bearer s3cre"}
        assert ask(service, "isuser", ALICE, headers=wrong).status_code == 401
        right = {"Authorization": "Bearer s3cret"}
        assert ask(service, "isuser", ALICE, headers=right).json() == {"result": False}


def test_the_database_is_for_its_owner_and_holds_no_credential(service: TokenService) -> None:
    token = service.issue("alice@example.org")
    assert stat.S_IMODE(service.db.stat().st_mode) == 0o600
    content = service.db.read_bytes()
    assert b"alice@example.org" in content
    assert token.encode() not in content
    assert b"wonder:land" not in content


def test_the_command_line_does_the_same(service: TokenService) -> None:
    assert service.run("adduser", "dan@example.org", secret="pass word").returncode == 0
    dan = {"user": "dan", "host": "example.org"}
    assert may_log_in(service, dan, "pass word")
    token = service.run("issue", "dan@example.org").stdout.strip()
    assert may_log_in(service, dan, token)
    assert service.run("revoke", secret=token).returncode == 0
    assert not may_log_in(service, dan, token)


def test_the_command_line_says_what_it_could_not_do(service: TokenService) -> None:
    for arguments, said in [
        (("issue", "x@example.org"), "there is no user x@example.org"),
        (("revoke",), "there is no such token"),
        (("adduser", "bob@example.org"), "bob@example.org exists already"),
    ]:
        done = service.run(*arguments, secret="xt_x")
        assert (done.returncode, done.stderr) == (1, f"token_service.py: {said}\n")
