"""``extauth-http user purge``: only data of a user whom the service has removed is deleted."""

import pytest

from tests.admin.fake_commands import FakeRoom
from tests.admin.fake_ejabberd import FakeEjabberd, respond
from tests.admin.operator import ROOM, Operator, Play
from tests.integration.service import NO, YES, Service, answering, http

ALICE, BOB, SERVICE = "alice@example.org", "bob@example.org", "conference.example.org"
BACKEND = '[backend]\nkind = "rest"\nurl = "{}"\n'
KINDS = {
    *("offline messages", "archived messages", "last activity", "roster", "vCard"),
    "private data",
}


@pytest.fixture
def server(play: Play) -> FakeEjabberd:
    return with_data(play())


def with_data(fake: FakeEjabberd) -> FakeEjabberd:
    fake.stored = {ALICE: set(KINDS), BOB: {"roster"}}
    fake.groups = {"staff": [ALICE, BOB]}
    fake.rooms[ROOM] = FakeRoom(affiliations={BOB: "member"})
    fake.nicks = {ALICE: "Ali", BOB: "Bobby"}
    fake.tokens = {"hunter2": ALICE}
    return fake


def removed(operator: Operator, server: FakeEjabberd, *words: str) -> tuple[int, str, str]:
    """Runs the command with a service that says no. Returns exit code, output and errors."""
    with Service(answering(NO)) as service:
        operator.configure(server.url, BACKEND.format(service.url))
        result = operator("user", "purge", *words)
    return result.code, result.out, result.err


def test_what_is_stored_is_shown_and_nothing_is_deleted_without_yes(
    operator: Operator, server: FakeEjabberd
) -> None:
    code, out, err = removed(operator, server, ALICE)
    assert (code, server.changes, "add --yes" in out) == (1, [], True)
    for text in (
        *("offline messages: 3", "archived messages: 7", "last activity: 2026", "vCard: stored"),
        *("roster: 1 contacts", "private data: bookmarks", "OAuth tokens: 1"),
        *("shared roster groups: staff", f"nicks: Ali at {SERVICE}"),
    ):
        assert text in err
    assert "hunter2" not in out + err


def test_everything_of_the_user_is_deleted_and_nothing_of_others(
    operator: Operator, server: FakeEjabberd
) -> None:
    code, out, _ = removed(operator, server, ALICE, "--yes")
    assert (code, server.stored) == (0, {ALICE: set(), BOB: {"roster"}})
    assert (server.groups, server.tokens) == ({"staff": [BOB]}, {})
    assert server.nicks == {BOB: "Bobby"}
    assert server.rooms[ROOM].affiliations == {BOB: "member"}
    assert "copies of messages in the archives of other users" in out


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (YES, "the service still has alice@example.org"),
        (http(500), "it is not known whether the service still has alice@example.org"),
    ],
)
def test_a_user_whom_the_service_may_have_is_not_purged(
    operator: Operator, server: FakeEjabberd, reply: bytes, why: str
) -> None:
    with Service(answering(reply)) as service:
        operator.configure(server.url, BACKEND.format(service.url))
        result = operator("user", "purge", ALICE, "--yes")
        assert (result.code, why in result.out, server.changes) == (1, True, [])
        assert operator("user", "purge", ALICE, "--yes", "--no-verify").code == 0
    assert server.stored[ALICE] == set()


@pytest.mark.parametrize("isuser", ["allow", "deny"])
def test_a_fixed_answer_of_the_configuration_does_not_count(
    operator: Operator, server: FakeEjabberd, isuser: str
) -> None:
    backend = '[backend]\nkind = "introspection"\nurl = "http://127.0.0.1:1/"\n'
    operator.configure(server.url, f'{backend}isuser = "{isuser}"\n')
    result = operator("user", "purge", ALICE, "--yes")
    assert (result.code, server.changes) == (1, [])
    assert "the configuration asks no service" in result.out


def test_a_dry_run_shows_the_calls(operator: Operator, server: FakeEjabberd) -> None:
    code, _, err = removed(operator, server, ALICE, "--dry-run")
    assert (code, server.changes) == (0, [])
    assert "would call: unregister" in err
    assert "would call: srg_user_del" in err
    assert "hunter2" not in err


def test_what_is_left_is_named(operator: Operator, server: FakeEjabberd) -> None:
    server.keeps = {"vCard"}
    server.script("srg_user_del", respond(403, {"message": "AccessRules: no right"}))
    code, out, _ = removed(operator, server, ALICE, "--yes")
    assert code == 1
    assert "left: vCard: stored, shared roster groups: staff" in out
    assert "refused: shared roster group staff" in out


@pytest.mark.parametrize(
    ("release", "hidden"),
    [("23.01", "archived messages, ban, nicks"), ("24.12", "ban, nicks"), ("26.07", "")],
)
def test_what_a_release_does_not_show_is_named(
    operator: Operator, play: Play, release: str, hidden: str
) -> None:
    code, out, _ = removed(operator, with_data(play(release)), ALICE, "--yes")
    assert code == 0
    assert ("this ejabberd does not show" in out) is bool(hidden)
    assert hidden in out


def test_one_failure_does_not_stop_the_others(operator: Operator, server: FakeEjabberd) -> None:
    server.rooms.clear()
    server.script("unregister", respond(500, "internal_error"))
    code, out, _ = removed(operator, server, ALICE, BOB, "--yes", "--json")
    assert (code, server.stored[BOB], out.count('"state": "done"')) == (1, set(), 1)
