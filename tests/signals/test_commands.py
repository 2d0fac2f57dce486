"""``signals status`` and ``signals test`` as an operator runs them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from extauth_http.cli import main
from extauth_http.signals import arguments
from extauth_http.signals.events import Arrival, Event, Source, Subject
from extauth_http.signals.queue import Queue
from extauth_http.signals.queue_entry import Result, State
from extauth_http.signals.self_test_keys import TEST_ISSUER
from tests.admin.fake_ejabberd import FakeEjabberd
from tests.signals.running_service import SignalsService, wait_for
from tests.signals.tokens import rsa_key

ALICE = "alice@example.org"


@dataclass
class Command:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Operator:
    """Runs commands with the configuration of a service."""

    def __init__(self, service: SignalsService, capsys: pytest.CaptureFixture[str]) -> None:
        self.service = service
        self._capsys = capsys

    def __call__(self, *words: str) -> Command:
        self._capsys.readouterr()
        code = main(["--config", str(self.service.config), "signals", *words])
        shown = self._capsys.readouterr()
        return Command(code, shown.out, shown.err)


@pytest.fixture
def ejabberd() -> Iterator[FakeEjabberd]:
    with FakeEjabberd() as server:
        server.sessions = {ALICE: ["phone"]}
        server.uptimes["phone"] = 3600
        yield server


@pytest.fixture
def operator(
    tmp_path: Path, ejabberd: FakeEjabberd, capsys: pytest.CaptureFixture[str]
) -> Operator:
    service = SignalsService(tmp_path, ejabberd.url)
    service.http.close()
    return Operator(service, capsys)


def fill(operator: Operator) -> None:
    """One event that waits, one that was given up, one that is done."""
    queue = Queue(operator.service.queue_file)
    for name, state in (("w", State.WAITING), ("f", State.FAILED), ("d", State.DONE)):
        subject = Subject("example.org", f"user-{name}")
        event = Event(name, Source.WEBHOOK, "webhook", subject, "left", 5.0, 5.0)
        queue.add([Arrival(event, name.encode(), 10.0)])
        queue.record([Result(name, state, f"result {name}", next_attempt=9e9)], 5.0)
    queue.close()


def states(operator: Operator) -> dict[str, State]:
    return {entry.event.id: entry.state for entry in operator.service.entries()}


def test_status_shows_what_waits_and_what_was_given_up_and_why(operator: Operator) -> None:
    fill(operator)
    shown = operator("status")
    assert shown.code == 1
    assert "1 waiting" in shown.out
    assert "1 given up, 1 done" in shown.out
    for text in ("user-f@example.org", "result f", "user-w@example.org", "1970-01-01T00:00:05Z"):
        assert text in shown.out
    assert "user-d" not in shown.out
    facts = operator("status", "--json").json
    assert (facts["waiting"], facts["failed"], facts["done"]) == (1, 1, 1)
    assert [each["id"] for each in facts["events"]] == ["f", "w"]


def test_status_without_events_is_good(operator: Operator) -> None:
    Queue(operator.service.queue_file).close()
    shown = operator("status")
    assert (shown.code, shown.out.strip()) == (0, "0 waiting (oldest 0 s), 0 given up, 0 done")


def test_an_event_can_be_tried_again_or_forgotten(operator: Operator) -> None:
    fill(operator)
    assert operator("status", "--retry", "f").code == 0
    assert states(operator) == {"w": State.WAITING, "f": State.WAITING, "d": State.DONE}
    assert operator("status", "--forget", "w").code == 0
    assert states(operator) == {"f": State.WAITING, "d": State.DONE}
    for words in (("--retry", "unknown"), ("--forget", "unknown"), ("--retry", "d")):
        refused = operator("status", *words)
        assert (refused.code, "there is no event" in refused.out) == (1, True)
    assert operator("status", "--retry", "all").code == 0


def test_the_running_service_sees_an_event_that_is_tried_again(
    operator: Operator, ejabberd: FakeEjabberd
) -> None:
    queue = Queue(operator.service.queue_file)
    event = Event("e1", Source.WEBHOOK, "webhook", Subject("example.org", "alice"), "x", 9e9, 5.0)
    queue.add([Arrival(event, b"k", 10.0)])
    queue.record([Result("e1", State.FAILED, "no")], 5.0)
    queue.close()
    with SignalsService(operator.service.queue_file.parent, ejabberd.url) as service:
        operator.service = service
        assert operator("status", "--retry", "all").code == 0
        wait_for(lambda: not ejabberd.sessions, "the end of the sessions")


def test_a_queue_that_does_not_exist_is_an_error(operator: Operator) -> None:
    shown = operator("status")
    assert shown.code == 2
    assert "the service creates it" in shown.err


def test_a_test_reports_that_the_service_does_not_run(operator: Operator) -> None:
    Queue(operator.service.queue_file).close()
    shown = operator("test", "--jid", ALICE)
    assert shown.code == 1
    assert shown.out.startswith("✘ service: no usable response (connect_refused")


def test_a_test_ends_the_sessions_of_its_user_and_leaves_no_key(
    operator: Operator, ejabberd: FakeEjabberd
) -> None:
    with SignalsService(operator.service.queue_file.parent, ejabberd.url) as service:
        operator.service = service
        shown = operator("test", "--jid", ALICE)
        assert (shown.code, ejabberd.sessions) == (0, {})
        assert [line[0] for line in shown.out.splitlines()] == ["✔"] * 4
        queue = Queue(service.queue_file)
        assert queue.test_key(TEST_ISSUER, 0.0) is None
        queue.close()
        # Nobody can sign as the test issuer without its key in the queue.
        forged = rsa_key().sign({"iss": TEST_ISSUER, "sub": "bob"}, "logout+jwt")
        assert service.logout(forged).status_code == 400


def test_a_test_reports_an_event_that_is_not_completed(
    operator: Operator, ejabberd: FakeEjabberd
) -> None:
    ejabberd.__exit__()
    with SignalsService(operator.service.queue_file.parent, ejabberd.url) as service:
        operator.service = service
        shown = operator("test", "--jid", ALICE, "--timeout", "1s", "--json")
        steps = {step["name"]: step for step in shown.json["steps"]}
        assert (shown.code, steps["sessions"]["is_good"]) == (1, False)
        assert "not done after 1 s" in steps["sessions"]["message"]


def test_a_missing_package_is_named(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(_: object) -> int:
        raise ModuleNotFoundError("no module", name="jwt")

    assert arguments._run(missing)(object()) == 2  # type: ignore[arg-type]
    assert "pip install 'extauth-http[signals]'" in capsys.readouterr().err
