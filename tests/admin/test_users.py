"""A user's sessions, as the server tells of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from extauth_http.admin import users
from extauth_http.admin.users import UserNotFoundError
from extauth_http.config.ejabberd import EjabberdSettings
from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.ejabberd_api.errors import ApiError
from extauth_http.protocol.jid import Jid
from tests.admin.played import RELEASES, Played, says, usual

ALICE = Jid("alice", "example.org")


def api(played: Played) -> ApiClient:
    return ApiClient(EjabberdSettings.model_validate({"api": played.url}))


def session(**more: Any) -> dict[str, Any]:
    told = {"connection": "c2s_tls", "ip": "::ffff:192.0.2.7", "port": 1, "priority": -1}
    told |= {"node": "n@h", "uptime": 60, "status": "away", "resource": "x", "statustext": "tea"}
    return {**told, **more}


def test_a_session_is_told_with_its_time_and_a_plain_address() -> None:
    with Played() as played:
        told = [session(), session(resource="y", uptime=5, statustext="", ip="2001:db8::1")]
        played.meets("user_sessions_info", says(200, told))
        newest, oldest = users.sessions(api(played), ALICE)
    assert (newest.resource, newest.ip, newest.status) == ("y", "2001:db8::1", "away")
    assert (oldest.resource, oldest.ip, oldest.status) == ("x", "192.0.2.7", "away tea")
    assert newest.since - oldest.since == timedelta(seconds=55)
    assert timedelta(seconds=55) < datetime.now(UTC) - oldest.since < timedelta(seconds=90)


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("resources", [[], ["a"], ["a", "b", "c"]])
def test_a_kick_says_how_many_on_each_release(release: str, resources: list[str]) -> None:
    with Played(release) as played:
        played.sessions[str(ALICE)] = list(resources)
        assert users.kick(api(played), ALICE) == len(resources)


def test_who_was_ended_one_by_one_is_counted_and_who_came_meanwhile_is_ended() -> None:
    with Played() as played:
        played.sessions[str(ALICE)] = ["a", "b"]

        def comes_back(played: Played, call: Any, connection: Any) -> None:
            usual(played, call, connection)
            played.sessions[str(ALICE)] = ["late"]

        played.meets("kick_session", usual, comes_back)
        assert users.kick_with(api(played), ALICE, "bye") == 2
        assert not played.sessions.get(str(ALICE))
    assert [call.arguments["reason"] for call in played.called("kick_session")] == ["bye", "bye"]


def test_each_session_is_told_by_the_host_itself() -> None:
    with Played() as played:
        users.tell(api(played), ALICE, ["a", "b/c"], "hello")
    told = [call.arguments for call in played.called("send_message")]
    assert [(each["from"], each["to"], each["body"]) for each in told] == [
        ("example.org", "alice@example.org/a", "hello"),
        ("example.org", "alice@example.org/b/c", "hello"),
    ]


@pytest.mark.parametrize(("refused", "may_have_changed"), [(0, False), (1, True)])
def test_a_message_that_reached_a_part_of_the_sessions_may_have_changed_something(
    refused: int, may_have_changed: bool
) -> None:
    with Played() as played:
        played.meets("send_message", *[usual] * refused, says(400, "no"))
        with pytest.raises(ApiError) as caught:
            users.tell(api(played), ALICE, ["a", "b"], "hello")
    assert caught.value.may_have_changed is may_have_changed


def test_who_is_not_known_or_not_served_is_named() -> None:
    with Played() as played:
        users.must_be_known(api(played), ALICE)
        with pytest.raises(UserNotFoundError, match=r"does not know nobody@example\.org"):
            users.must_be_known(api(played), Jid("nobody", "example.org"))
        served = users.hosts(api(played))
    with pytest.raises(UserNotFoundError, match=r"does not serve else\.where, but example\.org"):
        users.must_be_served([ALICE, Jid("alice", "else.where")], served)
