"""The sessions of a user, as the server returns them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from extauth_http.admin import sessions
from extauth_http.admin.sessions import UserNotFoundError
from extauth_http.config.ejabberd import EjabberdSettings
from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.ejabberd_api.errors import ApiError
from extauth_http.protocol.jid import Jid
from tests.admin.fake_ejabberd import RELEASES, FakeEjabberd, execute, respond

ALICE = Jid("alice", "example.org")


def api(fake: FakeEjabberd) -> ApiClient:
    return ApiClient(EjabberdSettings.model_validate({"api": fake.url}))


def session(**more: Any) -> dict[str, Any]:
    item = {"connection": "c2s_tls", "ip": "::ffff:192.0.2.7", "port": 1, "priority": -1}
    item |= {"node": "n@h", "uptime": 60, "status": "away", "resource": "x", "statustext": "tea"}
    return {**item, **more}


def test_a_session_has_its_time_and_a_plain_address() -> None:
    with FakeEjabberd() as fake:
        items = [session(), session(resource="y", uptime=5, statustext="", ip="2001:db8::1")]
        fake.script("user_sessions_info", respond(200, items))
        newest, oldest = sessions.list_sessions(api(fake), ALICE)
    assert (newest.resource, newest.ip, newest.status) == ("y", "2001:db8::1", "away")
    assert (oldest.resource, oldest.ip, oldest.status) == ("x", "192.0.2.7", "away tea")
    assert newest.since - oldest.since == timedelta(seconds=55)
    assert timedelta(seconds=55) < datetime.now(UTC) - oldest.since < timedelta(seconds=90)


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("resources", [[], ["a"], ["a", "b", "c"]])
def test_a_kick_returns_the_number_on_each_release(release: str, resources: list[str]) -> None:
    with FakeEjabberd(release) as fake:
        fake.sessions[str(ALICE)] = list(resources)
        assert sessions.kick(api(fake), ALICE) == len(resources)


def test_a_kick_with_reason_counts_and_also_ends_newer_sessions() -> None:
    with FakeEjabberd() as fake:
        fake.sessions[str(ALICE)] = ["a", "b"]

        def comes_back(fake: FakeEjabberd, call: Any, connection: Any) -> None:
            execute(fake, call, connection)
            fake.sessions[str(ALICE)] = ["late"]

        fake.script("kick_session", execute, comes_back)
        assert sessions.kick_with_reason(api(fake), ALICE, "bye") == 2
        assert not fake.sessions.get(str(ALICE))
    assert [call.arguments["reason"] for call in fake.called("kick_session")] == ["bye", "bye"]


def test_the_host_notifies_each_session() -> None:
    with FakeEjabberd() as fake:
        sessions.notify(api(fake), ALICE, ["a", "b/c"], "hello")
    sent = [call.arguments for call in fake.called("send_message")]
    assert [(each["from"], each["to"], each["body"]) for each in sent] == [
        ("example.org", "alice@example.org/a", "hello"),
        ("example.org", "alice@example.org/b/c", "hello"),
    ]


@pytest.mark.parametrize(("sent", "may_have_changed"), [(0, False), (1, True)])
def test_a_message_that_reached_a_part_of_the_sessions_may_have_changed_something(
    sent: int, may_have_changed: bool
) -> None:
    with FakeEjabberd() as fake:
        fake.script("send_message", *[execute] * sent, respond(400, "no"))
        with pytest.raises(ApiError) as caught:
            sessions.notify(api(fake), ALICE, ["a", "b"], "hello")
    assert caught.value.may_have_changed is may_have_changed


def test_an_unknown_user_and_an_unserved_host_are_errors() -> None:
    with FakeEjabberd() as fake:
        sessions.require_known(api(fake), ALICE)
        with pytest.raises(UserNotFoundError, match=r"does not know nobody@example\.org"):
            sessions.require_known(api(fake), Jid("nobody", "example.org"))
        hosts = sessions.list_hosts(api(fake))
    with pytest.raises(UserNotFoundError, match=r"does not serve else\.where, only example\.org"):
        sessions.require_served([ALICE, Jid("alice", "else.where")], hosts)
