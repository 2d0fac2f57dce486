"""The worker: what it starts, what it repeats, and what it makes of the server's absence."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from extauth_http.config.ejabberd import EjabberdSettings
from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.ejabberd_api.errors import ApiError
from extauth_http.program.log import Log
from extauth_http.signals import worker as worker_module
from extauth_http.signals.event_attempt import Attempt, AttemptResult, Continue, Server
from extauth_http.signals.metrics import Metrics
from extauth_http.signals.queue import Queue, QueueError
from extauth_http.signals.queue_entry import Result, State
from extauth_http.signals.settings import SignalsSettings
from extauth_http.signals.worker import Worker
from tests.signals.running_service import wait_for
from tests.signals.test_queue import arrival

Step = Callable[[Attempt], AttemptResult]


def done(attempt: Attempt) -> AttemptResult:
    return AttemptResult(Result(attempt.entry.event.id, State.DONE, "ok"), Server.ANSWERS)


def retried(attempt: Attempt) -> AttemptResult:
    identity = attempt.entry.event.id
    return AttemptResult(Result(identity, State.WAITING, "no", time.time()), Server.ANSWERS)


def unresolved(attempt: Attempt) -> AttemptResult:
    identity = attempt.entry.event.id
    result = Result(identity, State.WAITING, "resolve: no", time.time() + 3600)
    return AttemptResult(result, Server.NOT_CALLED)


def unreachable(_: Attempt) -> AttemptResult:
    return AttemptResult(None, Server.UNREACHABLE)


class Runner:
    """Plays attempts: the next step of a script, then ``done``."""

    def __init__(self, *script: Step) -> None:
        self.script = list(script)
        self.started: list[str] = []

    def run(self, attempt: Attempt, _: object) -> AttemptResult:
        self.started.append(attempt.entry.event.id)
        step = self.script.pop(0) if self.script else done
        return step(attempt)


class RecordedLog(Log):
    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def event(self, level: str, name: str, **fields: Any) -> None:
        self.names.append(name)


def make_api() -> ApiClient:
    return ApiClient(EjabberdSettings.model_validate({"api": "http://127.0.0.1:1/api"}))


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    with closing(Queue(tmp_path / "signals.db")) as opened:
        yield opened


@pytest.fixture
def log() -> RecordedLog:
    return RecordedLog()


@contextmanager
def working(
    queue: Queue,
    runner: Any,
    log: Log,
    api: Callable[[], ApiClient] = make_api,
    **changes: Any,
) -> Iterator[Worker]:
    given = {"webhook": {"token": "a-token-of-the-webhook"}, **changes}
    settings = SignalsSettings.model_validate(given)
    worker = Worker(queue, runner, api, settings, Metrics(), log)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


def add(queue: Queue, *names: str, user: str = "") -> None:
    now = time.time()
    queue.add([arrival(name, user or f"user-{name}", now) for name in names])


def is_done(queue: Queue, *names: str) -> bool:
    entries = [queue.entry(name) for name in names]
    return all(entry is not None and entry.state is State.DONE for entry in entries)


def test_an_attempt_that_must_wait_continues_and_another_one_starts_meanwhile(
    queue: Queue, log: RecordedLog
) -> None:
    runner = Runner(lambda attempt: AttemptResult(Continue(attempt, 0.5), Server.ANSWERS))
    add(queue, "e1")
    with working(queue, runner, log, parallel=1) as worker:
        wait_for(lambda: runner.started)
        add(queue, "e2")
        worker.wake()
        wait_for(lambda: is_done(queue, "e1", "e2"))
    assert runner.started == ["e1", "e2", "e1"]


def test_two_events_of_one_user_run_one_after_the_other(queue: Queue, log: RecordedLog) -> None:
    free, running = threading.Event(), []

    def block(attempt: Attempt) -> AttemptResult:
        running.append(attempt.entry.event.id)
        free.wait(10)
        return done(attempt)

    add(queue, "e1", "e2", user="alice")
    add(queue, "e3")
    runner = Runner(block, block)
    with working(queue, runner, log):
        wait_for(lambda: len(running) == 2)
        assert set(running) & {"e3"}
        free.set()
        wait_for(lambda: is_done(queue, "e1", "e2", "e3"))


def test_a_server_that_is_away_is_tested_by_one_attempt_at_a_time(
    queue: Queue, log: RecordedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "PROBE_PAUSE", 0.05)
    names = [f"e{number}" for number in range(30)]
    add(queue, *names)
    runner = Runner(*[unreachable] * 12)
    with working(queue, runner, log):
        wait_for(lambda: is_done(queue, *names))
    # Eight started before the first one reported it; none was an attempt of the event.
    assert len(runner.started) == 42
    assert {entry.attempts for entry in queue.entries(*State)} == {1}
    assert log.names.count("ejabberd_down") == 1
    assert log.names.count("ejabberd_up") == 1


def test_a_lookup_that_fails_says_nothing_about_the_server(
    queue: Queue, log: RecordedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "PROBE_PAUSE", 0.02)
    add(queue, "e1", "e2", "e3")
    runner = Runner(unreachable, unresolved, unreachable, unresolved, unreachable)
    with working(queue, runner, log, parallel=1):
        wait_for(lambda: not runner.script)
        wait_for(lambda: queue.summary(0).done == 1)
    assert log.names.count("ejabberd_down") == 1


def test_a_client_that_cannot_be_made_again_is_kept(
    queue: Queue, log: RecordedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "PROBE_PAUSE", 0.02)
    made: list[ApiClient] = []

    def make_once() -> ApiClient:
        if made:
            raise ApiError("tls", "the file is gone")
        made.append(make_api())
        return made[0]

    add(queue, "e1", "e2")
    with working(queue, Runner(unreachable), log, make_once, parallel=1):
        wait_for(lambda: is_done(queue, "e1", "e2"))
    assert "signals_error" not in log.names


def test_a_result_that_cannot_be_recorded_is_recorded_later_and_the_work_is_not_repeated(
    queue: Queue, log: RecordedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, failures = queue.record, [1, 1]

    def record(results: Any, now: float) -> None:
        if results and failures:
            failures.pop()
            raise QueueError("database or disk is full")
        original(results, now)

    monkeypatch.setattr(queue, "record", record)
    add(queue, "e1")
    runner = Runner()
    with working(queue, runner, log) as worker:
        wait_for(lambda: is_done(queue, "e1"))
        assert worker.is_working()
    assert runner.started == ["e1"]
    assert log.names.count("queue_unavailable") == 2


def test_an_event_is_given_up_also_while_the_server_is_away(
    queue: Queue, log: RecordedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "PROBE_PAUSE", 0.02)
    queue.add([arrival("old", at=time.time() - 100)])
    with working(queue, Runner(*[unreachable] * 10_000), log, give_up=50):
        wait_for(lambda: queue.summary(0).failed)
    entry = queue.entry("old")
    assert entry
    assert entry.message == "ejabberd could not be reached"
    assert "signal_given_up" in log.names


def test_each_attempt_is_counted(queue: Queue, log: RecordedLog) -> None:
    add(queue, "e1")
    with working(queue, Runner(retried, retried), log):
        wait_for(lambda: is_done(queue, "e1"))
    entry = queue.entry("e1")
    assert entry
    assert entry.attempts == 3
    assert log.names.count("signal_retried") == 2


def test_a_dispatcher_that_has_ended_is_not_working(queue: Queue, log: RecordedLog) -> None:
    with working(queue, Runner(), log) as worker:
        assert worker.is_working()
    assert not worker.is_working()
