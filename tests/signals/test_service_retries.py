"""The running service when ejabberd fails, hangs or is away: an event is completed afterwards."""

import threading
import time
from pathlib import Path

from extauth_http.signals.queue_entry import State
from tests.admin.fake_ejabberd import FakeEjabberd, respond
from tests.signals.running_service import ALICE, BOB, Provider, SignalsService, wait_for


def test_sessions_are_ended_again_until_they_are_gone(
    service: SignalsService, ejabberd: FakeEjabberd
) -> None:
    """ejabberd says that it has ended them, and still lists them: nothing counts as done."""
    ejabberd.script("kick_user", respond(200, "Kicked sessions: 2"))
    service.revoke({"jid": ALICE})
    service.wait_until_done()
    assert ejabberd.sessions == {BOB: ["pad"]}
    assert len(ejabberd.called("kick_user")) == 2
    assert service.events("signal_retried")[0]["detail"] == "2 sessions are still there"


def test_an_error_of_ejabberd_is_tried_again_later(
    service: SignalsService, ejabberd: FakeEjabberd
) -> None:
    ejabberd.script("user_sessions_info", respond(500, "internal_error"))
    service.revoke({"jid": ALICE})
    (entry,) = service.wait_until_done()
    assert entry.attempts == 2
    assert service.metric("retries_total", source="webhook") == 1


def test_the_event_is_completed_when_ejabberd_is_back(tmp_path: Path, provider: Provider) -> None:
    with FakeEjabberd() as first:
        port = first.service.port
    with SignalsService(tmp_path, first.url, provider.table()) as service:
        for number in range(20):
            assert service.logout(provider.logout_token(f"user{number}")).status_code == 200
        wait_for(lambda: service.events("ejabberd_down"), "the notice that it is down")
        assert service.metric("ejabberd_up") == 0.0
        assert service.metric("waiting") == 20
        with FakeEjabberd(port=port) as ejabberd:
            ejabberd.uptimes["x"] = 3600
            ejabberd.sessions = {f"user{number}@example.org": ["x"] for number in range(20)}
            service.wait_until_done(20)
            assert ejabberd.sessions == {}
        assert service.events("ejabberd_up")


def test_an_event_is_given_up_loudly(tmp_path: Path, ejabberd: FakeEjabberd) -> None:
    ejabberd.script("user_sessions_info", *[respond(403, "not allowed")] * 50)
    with SignalsService(tmp_path, ejabberd.url, signals='give_up = "1s"') as service:
        service.revoke({"jid": ALICE, "id": "e1"})
        wait_for(
            lambda: service.metric("failed_total", source="webhook"), "the end of the attempts"
        )
        (event,) = service.events("signal_given_up")
        assert (event["level"], event["id"]) == ("error", "e1")
        assert "not allowed" in event["detail"]
        assert (service.metric("given_up"), service.metric("waiting")) == (1, 0)


def test_a_user_whose_call_hangs_does_not_hold_up_the_others(
    tmp_path: Path, ejabberd: FakeEjabberd
) -> None:
    ejabberd.script("user_sessions_info", lambda *_: time.sleep(5))
    with SignalsService(tmp_path, ejabberd.url, signals="parallel = 2") as service:
        service.revoke({"jid": BOB, "id": "hangs"})
        wait_for(lambda: ejabberd.called("user_sessions_info"), "the call that hangs")
        for number in range(20):
            service.revoke({"jid": f"user{number}@example.org"})
        wait_for(
            lambda: sum(entry.state is State.DONE for entry in service.entries()) == 20,
            "the end of the others",
        )
        assert not service.events("signal_retried")


def test_one_user_with_many_events_does_not_hold_up_the_others(
    tmp_path: Path, ejabberd: FakeEjabberd
) -> None:
    is_seen = threading.Event()

    def hang(*_: object) -> None:
        is_seen.wait(60)

    ejabberd.script("user_sessions_info", hang)
    with SignalsService(tmp_path, ejabberd.url, signals='call_timeout = "90s"') as service:
        try:
            for _ in range(150):
                service.revoke({"jid": BOB})
            service.revoke({"jid": ALICE, "id": "alice"})
            wait_for(lambda: ALICE not in ejabberd.sessions, "the end of alice's sessions")
            assert BOB in ejabberd.sessions
        finally:
            is_seen.set()
