"""The reference service keeps the contract that it is there to show."""

import socket
import sqlite3
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import examples.token_service
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
    url = f"{service.url}/{operation}"
    return httpx.post(url, json=content, trust_env=False, timeout=60, **options)


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
        ("auth", ALICE, "password must be a text that is not empty"),
        ("auth", {**ALICE, "password": ""}, "password must be a text that is not empty"),
        ("auth", {**ALICE, "password": ["x"]}, "password must be a text that is not empty"),
        ("isuser", {"user": "alice"}, "host must be a text that is not empty"),
        ("certauth", {**ALICE, "password": "x"}, "certificate must be a text that is not empty"),
        ("auth", {**ALICE, "password": "x" * 200_000}, "the request has more than 131072 bytes"),
    ],
)
def test_what_is_no_request_gets_no_verdict(
    service: TokenService, operation: str, content: Any, expected: str
) -> None:
    answer = ask(service, operation, content)
    assert (answer.status_code, answer.json()) == (400, {"error": expected})


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "expected JSON"),
        (b'{"user": "\xff"}', "expected JSON"),
        (b'{"user": "\xed\xa0\x80", "host": "h", "password": "x"}', "expected JSON"),
        (b"[" * 100_000, "expected JSON"),
        (
            b'{"user": "u", "host": "h", "password": "\\ud800"}',
            "password must not contain half of a surrogate pair",
        ),
        (b'{"user": "a", "host": "b@c", "password": "x"}', "host must be a domain without @"),
    ],
)
def test_bytes_that_are_no_request_get_no_verdict(
    service: TokenService, body: bytes, expected: str
) -> None:
    answer = httpx.post(f"{service.url}/auth", content=body, trust_env=False)
    assert (answer.status_code, answer.json()) == (400, {"error": expected})


@pytest.mark.parametrize("operation", ["setpass", "tryregister"])
def test_a_password_that_looks_like_a_token_is_not_set(
    service: TokenService, operation: str
) -> None:
    who = ALICE if operation == "setpass" else {"user": "eve", "host": "example.org"}
    answer = ask(service, operation, {**who, "password": "xt_mine"})
    expected = {"error": "a password must not start with xt_, because tokens do"}
    assert (answer.status_code, answer.json()) == (422, expected)
    assert may_log_in(service, ALICE, "wonder:land")
    assert not says(service, "isuser", {"user": "eve", "host": "example.org"})


def test_an_at_sign_makes_nobody_somebody_else(service: TokenService) -> None:
    unescaped = {"user": "a@b", "host": "c"}
    says(service, "removeuser", unescaped)
    assert says(service, "tryregister", {**unescaped, "password": "hers"})
    assert may_log_in(service, unescaped, "hers")
    assert ask(service, "auth", {"user": "a", "host": "b@c", "password": "hers"}).status_code == 400


@pytest.mark.parametrize(
    ("sent", "echoed"),
    [("5f3a.b_c-D", "5f3a.b_c-D"), ("a b=c/<d>", "abcd"), ("x" * 200, "x" * 128), ("/", None)],
)
def test_the_request_id_comes_back(service: TokenService, sent: str, echoed: str | None) -> None:
    answer = ask(service, "isuser", ALICE, headers={"X-Request-ID": sent})
    assert answer.headers.get("X-Request-ID") == echoed


def test_the_log_has_the_request_id_and_no_credential(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with token_service(tmp_path) as service:
        headers = {"X-Request-ID": "5f3a"}
        ask(service, "auth", {**ALICE, "password": "s3cret"}, headers=headers)
        ask(service, "no%0Asuch", ALICE)
    first, second = capfd.readouterr().err.splitlines()
    assert first.endswith(" token_service request=5f3a operation=auth status=200")
    assert second.endswith(" token_service request=- operation=- status=404")


def test_who_reads_does_not_wait_for_who_writes(service: TokenService) -> None:
    with closing(sqlite3.connect(service.db, isolation_level=None)) as writer:
        writer.execute("begin exclusive")
        assert says(service, "isuser", ALICE)


def test_nothing_is_locked_while_a_password_is_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = examples.token_service.Store(tmp_path / "tokens.db")

    class Hasher:
        """Writes to the file in the middle of the work, and does not wait."""

        def hash(self, password: str) -> str:
            with closing(sqlite3.connect(store.file, timeout=0)) as writer, writer:
                writer.execute("delete from tokens")
            return f"hash of {password}"

    monkeypatch.setattr(examples.token_service, "PASSWORDS", Hasher())
    assert store.add("alice@example.org", "old")
    assert store.set_password("alice@example.org", "new")


def test_a_request_that_does_not_arrive_is_given_up(tmp_path: Path) -> None:
    with token_service(tmp_path) as service:
        url = httpx.URL(service.url)
        with socket.create_connection((url.host, url.port or 0), timeout=60) as slow:
            slow.sendall(b"POST /xmpp/auth HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n{")
            assert slow.recv(4096).startswith(b"HTTP/1.1 408 ")


def test_a_whole_pool_is_answered(service: TokenService) -> None:
    """Reads and writes at once, as from 64 pool members."""
    token = service.issue("alice@example.org")

    def one(number: int) -> bool:
        who = {"user": f"pool{number}", "host": "example.org"}
        if number % 8:
            return may_log_in(service, ALICE, token)
        return says(service, "tryregister", {**who, "password": "x"}) and says(
            service, "removeuser", who
        )

    with ThreadPoolExecutor(64) as members:
        assert all(members.map(one, range(128)))


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
    files = list(service.db.parent.glob("tokens.db*"))
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    content = b"".join(file.read_bytes() for file in files)
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
    for arguments, secret, said in [
        (("issue", "x@example.org"), "", "x@example.org does not exist"),
        (("revoke",), "xt_x", "the token does not exist"),
        (("adduser", "bob@example.org"), "x", "bob@example.org already exists"),
        (("adduser", "x@example.org"), "", "a password must not be empty"),
        (
            ("adduser", "x@example.org"),
            "xt_x",
            "a password must not start with xt_, because tokens do",
        ),
    ]:
        done = service.run(*arguments, secret=secret)
        assert (done.returncode, done.stderr) == (1, f"token_service.py: {said}\n")
