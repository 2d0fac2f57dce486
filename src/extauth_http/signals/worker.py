"""Completes the events of the queue: several users at the same time, and again until it is done.

One thread dispatches; ``parallel`` threads run attempts. An event is in the hands of at most one
attempt, and so is a user. While the admin API cannot be reached, one attempt after the other tests
it, and the others wait: they are due at once when it is back.
"""

import contextlib
import heapq
import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.ejabberd_api.errors import ApiError
from extauth_http.program.log import Log
from extauth_http.signals.event_attempt import (
    Attempt,
    AttemptResult,
    AttemptRunner,
    Continue,
    Server,
)
from extauth_http.signals.metrics import Metrics
from extauth_http.signals.queue import Queue, QueueError
from extauth_http.signals.queue_entry import Entry, Result, State
from extauth_http.signals.settings import SignalsSettings

TICK = 0.5
"""Seconds after which the queue is read again, for what another process changed."""

PROBE_PAUSE = 1.0
"""Seconds between two attempts while the admin API cannot be reached."""

FIRST_PAGE = 64
"""Entries that are read from the queue at first, to find one that can be started."""

PURGE_PAUSE = 60.0
MAX_SILENCE = 30.0
"""Seconds after which a dispatcher that does nothing counts as broken."""


@dataclass(order=True, slots=True)
class _Delayed:
    """An attempt that continues at a time of ``time.monotonic``."""

    due: float
    number: int
    attempt: Attempt = field(compare=False)


class Worker:
    """Runs from ``start`` to ``stop``. ``make_api`` returns a new client of the admin API: after
    the server was away, it may be another release."""

    def __init__(
        self,
        queue: Queue,
        runner: AttemptRunner,
        make_api: Callable[[], ApiClient],
        settings: SignalsSettings,
        metrics: Metrics,
        log: Log,
    ) -> None:
        self._queue = queue
        self._runner = runner
        self._make_api = make_api
        self._api = make_api()
        self._settings = settings
        self._metrics = metrics
        self._log = log
        self._threads = ThreadPoolExecutor(settings.parallel, "attempt")
        self._dispatcher = threading.Thread(target=self._run, name="dispatcher")
        self._wake = threading.Event()
        self._stopping = False
        self._finished: list[tuple[Attempt, AttemptResult]] = []
        self._lock = threading.Lock()
        self._active: dict[str, Entry] = {}
        self._busy: set[str] = set()
        self._running = 0
        self._delayed: list[_Delayed] = []
        self._numbers = itertools.count()
        self._results: dict[str, tuple[Entry, Result]] = {}
        self._is_up = True
        self._next_probe = 0.0
        self._next_purge = 0.0
        self._last_tick = time.monotonic()

    def start(self) -> None:
        self._dispatcher.start()

    def wake(self) -> None:
        """Reads the queue at once. May be called from any thread."""
        self._wake.set()

    def stop(self) -> None:
        """Waits for the calls that have started. Their events stay in the queue."""
        self._stopping = True
        self._wake.set()
        if self._dispatcher.ident:
            self._dispatcher.join()
        self._threads.shutdown(cancel_futures=True)
        self._api.close()

    def is_working(self) -> bool:
        """Whether the dispatcher lives and makes progress."""
        is_late = time.monotonic() - self._last_tick > MAX_SILENCE
        return self._dispatcher.is_alive() and not is_late

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait(self._pause())
            self._wake.clear()
            self._last_tick = time.monotonic()
            try:
                self._collect()
                self._record()
                self._dispatch()
                self._give_up()
                self._purge()
            except QueueError as error:
                self._log.event("error", "queue_unavailable", detail=str(error))
                time.sleep(TICK)
            except Exception as error:  # noqa: BLE001 - the events must not wait for ever
                self._log.event("error", "signals_error", detail=type(error).__name__)
                time.sleep(TICK)

    def _pause(self) -> float:
        if not self._delayed:
            return TICK
        return min(TICK, max(0.0, self._delayed[0].due - time.monotonic()))

    def _collect(self) -> None:
        """Takes what the threads have finished."""
        with self._lock:
            finished, self._finished = self._finished, []
        for attempt, result in finished:
            self._running -= 1
            self._note_server(result.server)
            identity = attempt.entry.event.id
            following = result.following
            if isinstance(following, Continue):
                due = time.monotonic() + following.seconds
                heapq.heappush(self._delayed, _Delayed(due, next(self._numbers), following.attempt))
            elif following is None:
                self._release(identity)
            else:
                self._results[identity] = (attempt.entry, following)

    def _record(self) -> None:
        """Commits results. If that fails, they stay here, and their events are not repeated."""
        if not self._results:
            return
        now = time.time()
        self._queue.record([result for _, result in self._results.values()], now)
        results, self._results = self._results, {}
        for identity, (entry, result) in results.items():
            self._release(identity)
            self._report(entry, result, now)

    def _report(self, entry: Entry, result: Result, now: float) -> None:
        event = entry.event
        source = event.source.value
        if result.state is State.DONE:
            seconds = max(0.0, now - event.received)
            self._metrics.done.labels(source).inc()
            self._metrics.seconds.labels(source).observe(seconds)
            self._log.event("info", "signal_done", id=event.id, seconds=round(seconds, 3))
        elif result.state is State.FAILED:
            self._metrics.failed.labels(source).inc()
            self._log.event(
                "error",
                "signal_given_up",
                id=event.id,
                subject=str(event.subject),
                detail=result.message,
            )
        elif result.counts:
            self._metrics.retries.labels(source).inc()
            self._log.event(
                "warning",
                "signal_retried",
                id=event.id,
                attempt=entry.attempts + 1,
                seconds=round(max(0.0, result.next_attempt - now), 1),
                detail=result.message,
            )

    def _dispatch(self) -> None:
        now = time.monotonic()
        while self._delayed and self._delayed[0].due <= now and self._may_run():
            self._submit(heapq.heappop(self._delayed).attempt)
        limit = FIRST_PAGE
        while self._may_run():
            entries = self._queue.due(time.time(), limit, self._active)
            started = [self._begin(entry) for entry in entries]
            # Perhaps all of them are of users who are busy, and those behind them are not.
            if any(started) or len(entries) < limit:
                return
            limit *= 4

    def _begin(self, entry: Entry) -> bool:
        """Whether an attempt was started."""
        subject = str(entry.event.subject)
        if subject in self._busy or not self._may_run():
            return False
        self._busy.add(subject)
        self._active[entry.event.id] = entry
        self._submit(Attempt(entry))
        return True

    def _may_run(self) -> bool:
        if self._is_up:
            return self._running < self._settings.parallel
        return self._running == 0 and time.monotonic() >= self._next_probe

    def _submit(self, attempt: Attempt) -> None:
        self._running += 1
        self._threads.submit(self._run_attempt, attempt, self._api)

    def _run_attempt(self, attempt: Attempt, api: ApiClient) -> None:
        result = self._runner.run(attempt, api)
        with self._lock:
            self._finished.append((attempt, result))
        self._wake.set()

    def _release(self, identity: str) -> None:
        entry = self._active.pop(identity, None)
        if entry:
            self._busy.discard(str(entry.event.subject))

    def _note_server(self, server: Server) -> None:
        if server is Server.NOT_CALLED:
            return
        is_up = server is Server.ANSWERS
        if not is_up:
            self._next_probe = time.monotonic() + PROBE_PAUSE
        if is_up == self._is_up:
            return
        self._is_up = is_up
        self._metrics.server_up(is_up)
        self._log.event("info" if is_up else "warning", "ejabberd_up" if is_up else "ejabberd_down")
        if is_up:
            # The old client works as well, unless the server has been updated.
            with contextlib.suppress(ApiError):
                self._api = self._make_api()

    def _give_up(self) -> None:
        """Ends the attempts for events that are older than the configured time."""
        before = time.time() - self._settings.give_up
        for entry in self._queue.overdue(before, self._active):
            message = entry.message or "ejabberd could not be reached"
            self._active[entry.event.id] = entry
            self._results[entry.event.id] = (
                entry,
                Result(entry.event.id, State.FAILED, message, counts=False),
            )
        self._record()

    def _purge(self) -> None:
        if time.monotonic() >= self._next_purge:
            self._next_purge = time.monotonic() + PURGE_PAUSE
            self._queue.purge(time.time(), self._settings.history)
