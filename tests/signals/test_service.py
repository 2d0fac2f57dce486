"""The running service: each kind of message ends the sessions of its user, once and verified."""

import json
import signal
import socket
from pathlib import Path

import pytest

from tests.admin.fake_ejabberd import FakeEjabberd
from tests.integration.service import Request, Service, http
from tests.signals.running_service import ALICE, BEARER, BOB, Provider, SignalsService, wait_for
from tests.signals.tokens import CAEP, rsa_key


def test_a_logout_token_ends_the_sessions_of_its_user_and_of_nobody_else(
    service: SignalsService, ejabberd: FakeEjabberd, provider: Provider
) -> None:
    response = service.logout(provider.logout_token("alice"))
    assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
    (entry,) = service.wait_until_done()
    assert ejabberd.sessions == {BOB: ["pad"]}
    assert ejabberd.changes == ["clear_cache", "kick_user"]
    assert "sessions: 2 ended" in entry.message
    names = [event["event"] for event in service.events() if event.get("id") == entry.event.id]
    assert names == ["signal_queued", "signal_revoked", "signal_done"]


def test_a_security_event_ends_the_sessions_of_its_user(
    service: SignalsService, ejabberd: FakeEjabberd, provider: Provider
) -> None:
    token = provider.security_event("alice", f"{CAEP}session-revoked")
    response = service.security_event(token)
    assert (response.status_code, response.content) == (202, b"")
    service.wait_until_done()
    assert ejabberd.sessions == {BOB: ["pad"]}
    # A transmitter that missed the response sends the token again.
    assert service.security_event(token).status_code == 202
    assert len(service.entries()) == 1


@pytest.mark.parametrize("body", [{"jid": ALICE}, {"user": "alice", "host": "example.org"}])
def test_a_webhook_ends_the_sessions_of_its_user(
    service: SignalsService, ejabberd: FakeEjabberd, body: dict[str, str]
) -> None:
    response = service.revoke({**body, "reason": "left the company"})
    assert response.status_code == 202
    (entry,) = service.wait_until_done()
    assert response.json() == {"id": entry.event.id}
    assert entry.event.reason == "left the company"
    assert ejabberd.sessions == {BOB: ["pad"]}


def test_a_webhook_with_the_same_id_is_the_same_event(service: SignalsService) -> None:
    responses = [service.revoke({"jid": ALICE, "id": "order-1"}) for _ in range(2)]
    assert [each.json() for each in responses] == [{"id": "order-1"}] * 2
    assert len(service.wait_until_done()) == 1


def test_a_replayed_logout_token_is_rejected(service: SignalsService, provider: Provider) -> None:
    token = provider.logout_token("alice")
    assert [service.logout(token).status_code for _ in range(2)] == [200, 400]
    service.stop()
    service.start()
    response = service.logout(token)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")
    assert service.metric("rejected_total", reason="replayed", source="logout_token") == 1
    assert len(service.wait_until_done()) == 1


def test_a_session_that_started_after_the_event_is_left_alone(
    service: SignalsService, ejabberd: FakeEjabberd
) -> None:
    ejabberd.uptimes["desk"] = -60
    service.revoke({"jid": ALICE})
    (entry,) = service.wait_until_done()
    assert ejabberd.sessions[ALICE] == ["desk"]
    assert "1 newer left alone" in entry.message


def test_a_message_is_sent_once_and_the_sessions_end_after_the_grace(
    tmp_path: Path, ejabberd: FakeEjabberd
) -> None:
    text = 'notify = "Your access has ended."\ngrace = "1s"'
    with SignalsService(tmp_path, ejabberd.url, signals=text) as service:
        service.revoke({"jid": ALICE})
        wait_for(lambda: service.events("signal_notified"), "the message")
        assert ALICE in ejabberd.sessions
        service.stop(signal.SIGKILL)
        service.start()
        service.wait_until_done()
        told = [call.arguments["to"] for call in ejabberd.called("send_message")]
        assert sorted(told) == [f"{ALICE}/desk", f"{ALICE}/phone"]
        assert ALICE not in ejabberd.sessions


def test_an_opaque_subject_is_looked_up_with_an_access_token(
    tmp_path: Path, ejabberd: FakeEjabberd, provider: Provider
) -> None:
    def admin_api(request: Request, connection: object) -> None:
        if request.target == "/token":
            assert request.headers["authorization"].startswith("Basic ")
            answer = {"access_token": "an-access-token", "expires_in": 60}
        else:
            assert request.headers["authorization"] == "Bearer an-access-token"
            answer = {"username": "alice"} if request.target == "/users/0f%2F3a" else {}
        connection.sendall(http(200, json.dumps(answer)))  # type: ignore[attr-defined]

    with Service(admin_api) as keycloak:
        base = keycloak.url.removesuffix("/x")
        table = provider.table(
            'claim = "preferred_username"\n'
            f'[signals.issuer.resolve]\nurl = "{base}/users/{{sub}}"\n'
            f'[signals.issuer.resolve.client_credentials]\ntoken_url = "{base}/token"\n'
            'client_id = "xmpp"\nclient_secret = "the-secret-of-the-client"\n'
        )
        with SignalsService(tmp_path, ejabberd.url, table) as service:
            assert service.logout(provider.logout_token("0f/3a")).status_code == 200
            (entry,) = service.wait_until_done()
            assert str(entry.event.subject) == ALICE
            service.logout(provider.logout_token("unknown"))
            retried = wait_for(lambda: service.events("signal_retried"), "an attempt that fails")
            assert "the response has no username" in retried[0]["detail"]
        tokens = [each for each in keycloak.requests if each.target == "/token"]
        assert len(tokens) == 1
    assert ejabberd.sessions == {BOB: ["pad"]}
    shown = service.log_file.read_text() + service.stderr.read_text()
    assert "the-secret-of-the-client" not in shown
    assert "an-access-token" not in shown


def test_a_new_key_is_used_at_once_and_known_keys_outlive_the_provider(
    service: SignalsService, provider: Provider
) -> None:
    assert service.logout(provider.logout_token("alice")).status_code == 200
    provider.keys.insert(0, rsa_key("rsa-2"))
    assert service.logout(provider.logout_token("alice")).status_code == 200
    provider.service.__exit__()
    assert service.logout(provider.logout_token("alice")).status_code == 200
    service.stop()
    service.start()
    assert service.logout(provider.logout_token("bob")).status_code == 200
    provider.keys.insert(0, rsa_key("rsa-3"))
    response = service.logout(provider.logout_token("bob"))
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")


def test_the_process_ends_in_order(service: SignalsService) -> None:
    assert service.stop() == 0
    names = [event["event"] for event in service.events()]
    assert (names[0], names[-1]) == ("signals_started", "signals_stopped")


def test_no_secret_is_in_the_log_or_in_the_queue(
    service: SignalsService, provider: Provider
) -> None:
    token = provider.logout_token("alice")
    service.logout(token)
    service.logout(token)
    service.revoke({"jid": BOB})
    service.revoke({"jid": BOB}, bearer="another-bearer-token")
    service.wait_until_done(2)
    service.stop()
    shown = b"".join(
        file.read_bytes()
        for file in (service.log_file, service.stderr, *service.queue_file.parent.glob("*.db*"))
    )
    for secret in (token, token.split(".")[2], BEARER, "another-bearer-token"):
        assert secret.encode() not in shown


def test_systemd_learns_when_the_service_is_ready(
    tmp_path: Path, ejabberd: FakeEjabberd, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        with SignalsService(tmp_path, ejabberd.url) as service:
            assert systemd.recv(100) == b"READY=1"
            service.stop()
            assert systemd.recv(100) == b"STOPPING=1"


@pytest.mark.parametrize("fault", ["port", "queue", "table"])
def test_a_service_that_cannot_start_says_why(
    service: SignalsService, tmp_path: Path, ejabberd: FakeEjabberd, fault: str
) -> None:
    folder = tmp_path / "second"
    folder.mkdir()
    second = SignalsService(folder, ejabberd.url)
    text = second.config.read_text()
    change, expected = {
        "port": ((str(second.port), str(service.port)), "Address already in use"),
        "queue": ((str(second.queue_file), "/nowhere/signals.db"), "No such file or directory"),
        "table": (("[signals.webhook]", "[signals.webhok]"), "signals.webhok: unknown key"),
    }[fault]
    second.config.write_text(text.replace(*change))
    second.start(ready=False)
    assert second.process.wait(30) == 2
    second.http.close()
    shown = second.stderr.read_text()
    assert expected in shown
    assert "Traceback" not in shown
