"""``extauth-http user ban``, ``unban``, ``bans`` and ``user revoke --ban``."""

import pytest

from tests.admin.fake_ejabberd import FakeEjabberd, respond
from tests.admin.operator import Operator, Play

ALICE, BOB = "alice@example.org", "bob@example.org"
COMMANDS = [
    ("user", "ban", ALICE),
    ("user", "unban", ALICE),
    ("user", "bans"),
    ("user", "revoke", ALICE, "--no-verify", "--ban"),
]


@pytest.mark.parametrize("words", COMMANDS)
@pytest.mark.parametrize(
    ("release", "why"),
    [
        ("23.01", "only sets a random password at the service (setpass)"),
        ("24.12", "also sets a random password at the service (setpass)"),
        ("25.07", "its unban_account fails"),
        (None, "the release of ejabberd is not known"),
    ],
)
def test_a_release_without_a_usable_ban_changes_nothing(
    operator: Operator, play: Play, words: tuple[str, ...], release: str | None, why: str
) -> None:
    fake = play(release) if release else play(status=None)
    fake.sessions = {ALICE: ["phone"]}
    result = operator(*words, "--yes")
    assert (result.code, result.out, fake.changes) == (2, "", [])
    assert why in result.err


def test_a_ban_ends_the_sessions_and_revokes_oauth_tokens(
    operator: Operator, server: FakeEjabberd
) -> None:
    server.tokens = {"hunter2": ALICE, "other": BOB}
    result = operator("user", "ban", ALICE, "--reason", "spam", "--yes")
    assert (result.code, server.bans, server.tokens) == (0, {ALICE: "spam"}, {"other": BOB})
    assert list(server.sessions) == [BOB]
    assert "sessions: 2 ended" in result.out
    assert "hunter2" not in result.out + result.err
    # The last call ends a session that was opened with a token after the ban.
    assert server.changes == ["ban_account", "oauth_revoke_token", "kick_user"]


def test_a_second_ban_keeps_the_first_and_ends_sessions(
    operator: Operator, server: FakeEjabberd
) -> None:
    server.bans = {ALICE: "first"}
    result = operator("user", "ban", ALICE, "--reason", "second", "--yes")
    assert (result.code, server.bans, server.changes) == (0, {ALICE: "first"}, ["kick_user"])
    assert ALICE not in server.sessions


@pytest.mark.parametrize(
    ("has_mod_private", "user", "why"),
    [
        (False, ALICE, "a ban needs mod_private"),
        (True, "nobody@example.org", "ejabberd bans and unbans only users that exist"),
    ],
)
def test_a_failed_ban_is_explained(
    operator: Operator, server: FakeEjabberd, has_mod_private: bool, user: str, why: str
) -> None:
    server.has_mod_private = has_mod_private
    result = operator("user", "ban", user, BOB, "--yes", "--json")
    assert (result.code, result.states[user]) == (1, "not done")
    assert why in result.out
    assert result.states[BOB] == ("done" if has_mod_private else "not done")


def test_a_ban_asks_for_confirmation_and_a_dry_run_changes_nothing(
    operator: Operator, server: FakeEjabberd
) -> None:
    assert operator("user", "ban", ALICE).code == 2
    result = operator("user", "ban", ALICE, "--dry-run")
    assert (result.code, "would call: ban_account/v2" in result.err) == (0, True)
    assert server.changes == []


def test_an_unban_lifts_the_ban_or_reports_that_there_is_none(
    operator: Operator, server: FakeEjabberd
) -> None:
    server.bans = {ALICE: "spam"}
    result = operator("user", "unban", ALICE, BOB)
    assert (result.code, server.bans) == (0, {})
    assert f"{ALICE}: no longer banned" in result.out
    assert f"{BOB}: was not banned" in result.out


def test_bans_are_listed_with_reason(operator: Operator, server: FakeEjabberd) -> None:
    assert operator("user", "bans").out == "no user is banned\n"
    server.bans = {BOB: "spam", ALICE: "lost phone"}
    assert "lost phone" in operator("user", "bans").out
    date = "2026-11-26T09:00:00.000000Z"
    assert operator("user", "bans", "--json").json == {
        "bans": [
            {"user": ALICE, "since": date, "reason": "lost phone"},
            {"user": BOB, "since": date, "reason": "spam"},
        ]
    }


def test_bans_cannot_be_listed_before_25_10(operator: Operator, play: Play) -> None:
    play("25.08")
    result = operator("user", "bans")
    assert (result.code, "it was added in 25.10" in result.err) == (1, True)


def test_a_revocation_with_a_ban_covers_fast_tokens_without_a_session(
    operator: Operator, server: FakeEjabberd
) -> None:
    server.sessions = {}
    result = operator("user", "revoke", ALICE, "--no-verify", "--ban", "--yes", "--json")
    (outcome,) = result.json["outcomes"]
    assert (result.code, outcome["state"]) == (0, "done")
    assert [step["step"] for step in outcome["steps"]].count("FAST tokens") == 1
    assert server.bans == {ALICE: "credential revoked"}


def test_a_revocation_ends_sessions_if_the_ban_fails(
    operator: Operator, server: FakeEjabberd
) -> None:
    server.script("ban_account", respond(200, 1))
    result = operator("user", "revoke", ALICE, "--no-verify", "--ban", "--yes", "--json")
    assert (result.code, result.states) == (1, {ALICE: "not known"})
    assert ALICE not in server.sessions
