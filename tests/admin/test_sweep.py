"""``extauth-http user sweep``: only an explicit no of the service ends a session."""

import json
import socket
import time

import pytest

from extauth_http.admin import sweep
from tests.admin.fake_ejabberd import FakeEjabberd
from tests.admin.operator import Operator, Play
from tests.integration.service import NO, YES, Request, Service, http

ALICE, BOB, CAROL = "alice@example.org", "bob@example.org", "carol@example.org"
BACKEND = '[backend]\nkind = "rest"\nurl = "{}"\n'


class Table:
    """A service with one reply for each user; ``False``, a no, for all others."""

    def __init__(self, **replies: bytes) -> None:
        self.replies = replies
        self.asked: list[str] = []

    def __call__(self, request: Request, connection: socket.socket) -> None:
        user = json.loads(request.body)["user"]
        self.asked.append(user)
        connection.sendall(self.replies.get(user, NO))


@pytest.fixture
def server(play: Play) -> FakeEjabberd:
    return connected(play(), ALICE, BOB, CAROL)


def connected(fake: FakeEjabberd, *users: str) -> FakeEjabberd:
    fake.sessions = {user: ["phone", "desk"] for user in users}
    return fake


def use(operator: Operator, server: FakeEjabberd, service: Service) -> None:
    operator.configure(server.url, BACKEND.format(service.url))


def test_only_users_for_whom_the_service_says_no_lose_their_sessions(
    operator: Operator, server: FakeEjabberd
) -> None:
    server.tokens = {"hunter2": BOB}
    with Service(Table(alice=YES, carol=http(500))) as service:
        use(operator, server, service)
        result = operator("user", "sweep", "--yes", "--json")
    assert (result.code, list(server.sessions)) == (1, [ALICE, CAROL])
    assert result.states == {BOB: "done", CAROL: "not known"}
    assert (result.json["connected"], result.json["existing"]) == (3, 1)
    assert server.changes == ["oauth_revoke_token", "kick_user"]
    assert "hunter2" not in result.out + result.err


def test_nothing_to_end_is_a_success(operator: Operator, server: FakeEjabberd) -> None:
    with Service() as service:
        use(operator, server, service)
        result = operator("user", "sweep")  # nothing to confirm
    assert (result.code, server.changes) == (0, [])
    assert "3 users are connected: 3 exist, 0 removed" in result.err


@pytest.mark.parametrize(("limit", "code", "left"), [("2", 1, 3), ("3", 0, 0)])
def test_a_service_that_lost_its_table_does_not_empty_the_server(
    operator: Operator, server: FakeEjabberd, limit: str, code: int, left: int
) -> None:
    with Service(Table()) as service:
        use(operator, server, service)
        result = operator("user", "sweep", "--yes", "--at-most", limit)
    assert (result.code, len(server.sessions)) == (code, left)
    assert ("says no for 3 of 3 connected users" in result.err) is bool(code)


def test_by_default_twenty_users_are_the_limit(operator: Operator, server: FakeEjabberd) -> None:
    for count, code in ((21, 1), (20, 0)):
        connected(server, *(f"user{number}@example.org" for number in range(count)))
        with Service(Table()) as service:
            use(operator, server, service)
            words = ("user", "sweep", "--yes", "--per-second", "1000")
            assert operator(*words).code == code
        assert bool(server.sessions) is bool(code)


def test_a_service_that_is_down_ends_nobody_and_is_not_asked_about_everybody(
    operator: Operator, server: FakeEjabberd
) -> None:
    connected(server, *(f"user{number}@example.org" for number in range(50)))
    table = Table(**{f"user{number}": http(503) for number in range(1, 50)})
    with Service(table) as service:
        use(operator, server, service)
        result = operator("user", "sweep", "--yes", "--per-second", "1000")
    assert (result.code, server.changes) == (1, [])
    assert "the service gives no answer" in result.err
    assert len(set(table.asked)) == sweep.MAX_UNKNOWN_IN_A_ROW + 1


def test_the_service_is_asked_again_before_sessions_end(
    operator: Operator, server: FakeEjabberd
) -> None:
    class Restored(Table):
        def __call__(self, request: Request, connection: socket.socket) -> None:
            if len(self.asked) == 3:
                self.replies = {"alice": YES, "bob": http(500)}
            super().__call__(request, connection)

    with Service(Restored()) as service:
        use(operator, server, service)
        result = operator("user", "sweep", "--yes", "--json")
    assert (result.code, list(server.sessions)) == (1, [ALICE, BOB])
    assert result.states == {ALICE: "not done", BOB: "not done", CAROL: "done"}


def test_a_dry_run_changes_nothing_and_needs_no_limit(
    operator: Operator, server: FakeEjabberd
) -> None:
    with Service(Table()) as service:
        use(operator, server, service)
        result = operator("user", "sweep", "--dry-run", "--at-most", "2")
        assert (result.code, server.changes) == (1, [])
        assert all(user in result.out for user in (ALICE, BOB, CAROL))
        assert operator("user", "sweep", "--dry-run").code == 0


def test_sessions_end_only_after_a_confirmation(operator: Operator, server: FakeEjabberd) -> None:
    with Service(Table()) as service:
        use(operator, server, service)
        result = operator("user", "sweep")
    assert (result.code, server.changes) == (2, [])
    assert "add --yes" in result.err


@pytest.mark.parametrize("isuser", ["deny", "allow"])
def test_a_configuration_that_asks_no_service_ends_nobody(
    operator: Operator, server: FakeEjabberd, isuser: str
) -> None:
    backend = '[backend]\nkind = "introspection"\nurl = "http://127.0.0.1:1/"\n'
    operator.configure(server.url, f'{backend}isuser = "{isuser}"\n')
    result = operator("user", "sweep", "--yes")
    assert (result.code, server.changes) == (0, [])
    assert "3 not asked about" in result.err


def test_a_virtual_host_without_backend_ends_nobody(
    operator: Operator, server: FakeEjabberd
) -> None:
    hosts = BACKEND.replace("[backend]", '[hosts."other.example".backend]')
    operator.configure(server.url, hosts.format("http://127.0.0.1:1/"))
    result = operator("user", "sweep", "--yes")
    assert (result.code, server.changes) == (0, [])


def test_other_virtual_hosts_are_left_out(operator: Operator, server: FakeEjabberd) -> None:
    connected(server, ALICE, "carl@internal.example")
    with Service(table := Table()) as service:
        use(operator, server, service)
        assert operator("user", "sweep", "--yes", "--host", "example.org").code == 0
        assert table.asked == ["alice", "alice"]
        assert list(server.sessions) == ["carl@internal.example"]
        result = operator("user", "sweep", "--yes", "--host", "typo.example")
    assert (result.code, "does not serve typo.example" in result.err) == (2, True)


def test_an_unusable_configuration_is_reported(operator: Operator, server: FakeEjabberd) -> None:
    operator.configure(server.url, '[backend]\nkind = "nonsense"\n')
    result = operator("user", "sweep", "--yes")
    assert (result.code, server.calls[1:], "nonsense" in result.err) == (2, [], True)


def test_requests_to_the_service_are_spread_over_time(
    operator: Operator, server: FakeEjabberd, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    with Service() as service:
        use(operator, server, service)
        operator("user", "sweep", "--per-second", "0.1")
    assert [pause > 0 for pause in pauses] == [False, True, True]
    assert pauses[2] > pauses[1]  # the sleep of the test takes no time
