"""The findings about the ``signals`` table."""

import builtins
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from extauth_http.check.finding import Finding, Level
from extauth_http.check.signals.probe import findings
from extauth_http.signals.events import Arrival, Event, Source, Subject
from extauth_http.signals.queue import Queue
from extauth_http.signals.queue_entry import Result, State
from tests.admin.fake_ejabberd import FakeEjabberd, respond
from tests.check.findings import bad, ids, one
from tests.integration.service import Service, http
from tests.signals.running_service import Provider, SignalsService


@pytest.fixture
def ejabberd() -> Iterator[FakeEjabberd]:
    with FakeEjabberd() as server:
        yield server


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


@pytest.fixture
def service(tmp_path: Path, ejabberd: FakeEjabberd, provider: Provider) -> SignalsService:
    """A configuration; the service does not run unless a test starts it."""
    return SignalsService(tmp_path, ejabberd.url, provider.table())


def found(service: SignalsService) -> list[Finding]:
    service.http.close()
    return list(findings(service.config))


def change(service: SignalsService, old: str, new: str) -> None:
    text = service.config.read_text()
    assert old in text
    service.config.write_text(text.replace(old, new))


def test_without_the_table_there_are_no_findings(tmp_path: Path) -> None:
    file = tmp_path / "extauth-http.toml"
    file.write_text('[ejabberd]\napi = "http://127.0.0.1:1/api"\n')
    assert list(findings(file)) == []


def test_a_service_that_runs_is_good(service: SignalsService, ejabberd: FakeEjabberd) -> None:
    with service:
        result = found(service)
    assert bad(result) == set()
    assert ids(result) == {
        *("signals-valid", "signals-keys", "signals-queue", "signals-api", "signals-running")
    }
    assert ejabberd.changes == []


def test_a_service_that_does_not_run_is_a_warning(service: SignalsService) -> None:
    assert bad(found(service)) == {"signals-not-running"}
    assert not service.queue_file.exists()


def test_an_invalid_table_is_broken(service: SignalsService) -> None:
    change(service, "[signals]", "[signals]\nunknown = 1")
    (finding,) = found(service)
    assert (finding.id, finding.level) == ("signals-invalid", Level.BROKEN)
    assert "unknown key" in finding.found


def test_a_risk_is_a_warning(service: SignalsService) -> None:
    change(service, 'listen = "127.0.0.1', 'listen = "0.0.0.0')
    assert "signals-risk" in bad(found(service))


def test_an_issuer_without_keys_is_broken(service: SignalsService, provider: Provider) -> None:
    provider.keys.clear()
    finding = one(found(service), "signals-keys")
    assert (finding.level, "publishes no keys" in finding.found) == (Level.BROKEN, True)
    change(service, 'audience = "xmpp"', f'audience = "xmpp"\nclient_secret = "{"x" * 32}"')
    assert one(found(service), "signals-keys").level is Level.GOOD
    provider.service.__exit__()
    assert "connect_refused" in one(found(service), "signals-keys").found


def test_another_issuer_in_the_discovery_document_is_broken(
    service: SignalsService, provider: Provider
) -> None:
    provider.issuer = "https://login.example.org"
    assert "another issuer" in one(found(service), "signals-keys").found


def test_a_missing_package_is_broken(
    service: SignalsService, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = builtins.__import__

    def without_jwt(name: str, *more: Any, **named: Any) -> Any:
        if name.startswith("extauth_http.backends.jwk_set"):
            raise ModuleNotFoundError("no jwt", name="jwt")
        return original(name, *more, **named)

    monkeypatch.setattr(builtins, "__import__", without_jwt)
    finding = one(found(service), "signals-extra")
    assert "extauth-http[signals]" in finding.line


def test_a_queue_that_cannot_be_used_is_broken(service: SignalsService) -> None:
    service.queue_file.write_text("not a database, but text" * 100)
    assert "not a database" in one(found(service), "signals-queue").found
    change(service, str(service.queue_file), "/nowhere/at/all/signals.db")
    assert "does not exist" in one(found(service), "signals-queue").found


def test_events_that_were_given_up_are_a_warning(service: SignalsService) -> None:
    queue = Queue(service.queue_file)
    event = Event("e1", Source.WEBHOOK, "webhook", Subject("example.org", "a"), "x", 0, 0)
    queue.add([Arrival(event, b"k", 0)])
    queue.record([Result("e1", State.FAILED, "no")], 0)
    queue.close()
    assert "signals-given-up" in bad(found(service))


def test_an_admin_api_that_refuses_is_broken(
    service: SignalsService, ejabberd: FakeEjabberd
) -> None:
    ejabberd.script("user_sessions_info", respond(403, "not allowed"))
    finding = one(found(service), "signals-api")
    assert (finding.level, "not allowed" in finding.found) == (Level.BROKEN, True)
    assert "api_permissions" in finding.line
    ejabberd.__exit__()
    assert "cannot connect" in one(found(service), "signals-api").found


def test_a_host_that_ejabberd_does_not_serve_is_broken(service: SignalsService) -> None:
    change(service, 'host = "example.org"', 'host = "example.net"')
    assert "example.net" in one(found(service), "signals-host").found


def test_a_service_that_reports_a_problem_is_broken(service: SignalsService) -> None:
    def sick(_: object, connection: Any) -> None:
        connection.sendall(http(503, "the worker does not run"))

    with Service(sick, port=service.port):
        finding = one(found(service), "signals-unhealthy")
    assert "the worker does not run" in finding.found
