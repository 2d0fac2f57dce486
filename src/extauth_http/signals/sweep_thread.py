"""Runs a sweep on a schedule: for services that cannot send anything.

A sweep asks the service about everybody who is connected (``admin/sweep.py``). The first one
starts ``every`` seconds after the start, the next one ``every`` seconds after the end of the last.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from extauth_http.admin import service, sweep
from extauth_http.admin.sweep import Survey, SweepRefusedError
from extauth_http.config.loader import ConfigError
from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.ejabberd_api.errors import ApiError
from extauth_http.program.decider import Decider
from extauth_http.program.log import Log
from extauth_http.signals.metrics import Metrics, SweepResult
from extauth_http.signals.settings import SweepSettings

T = TypeVar("T")


class _StoppedError(Exception):
    """The service stops. A survey that is not complete ends nobody."""


class SweepThread:
    """Runs from ``start`` to ``stop``. ``config`` is the file with the backends, which is read for
    each sweep."""

    def __init__(
        self,
        settings: SweepSettings,
        config: Path | None,
        make_api: Callable[[], ApiClient],
        metrics: Metrics,
        log: Log,
    ) -> None:
        self._settings = settings
        self._config = config
        self._make_api = make_api
        self._metrics = metrics
        self._log = log
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweep")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Waits for the request that is in flight."""
        self._stopping.set()
        if self._thread.ident:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._settings.every):
            try:
                result = self._sweep()
            except _StoppedError:
                return
            except SweepRefusedError as error:
                result = SweepResult.REFUSED
                self._log.event("error", "sweep_refused", detail=str(error))
            except (ApiError, ConfigError) as error:
                result = SweepResult.FAILED
                self._log.event("warning", "sweep_failed", detail=str(error))
            except Exception as error:  # noqa: BLE001 - its text may hold anything
                result = SweepResult.FAILED
                self._log.event("error", "sweep_failed", detail=type(error).__name__)
            self._metrics.sweeps.labels(result.value).inc()

    def _sweep(self) -> SweepResult:
        settings = self._settings
        api = self._make_api()
        try:
            with service.open_decider(self._config) as decider:
                found = sweep.survey(
                    api, decider, settings.hosts, settings.per_second, self._until_stopped
                )
                found.require_at_most(settings.at_most)
                failed = self._end(api, decider, found)
        finally:
            api.close()
        self._log.event(
            "info",
            "sweep_done",
            connected=found.connected,
            existing=found.existing,
            removed=len(found.removed),
            unknown=len(found.unknown),
            not_asked=found.not_asked,
        )
        return SweepResult.FAILED if failed else SweepResult.DONE

    def _end(self, api: ApiClient, decider: Decider, found: Survey) -> bool:
        """Returns whether it failed for a user; the others are done nevertheless."""
        is_failed = False
        for jid in self._until_stopped(found.removed):
            try:
                ended = sweep.end_removed(api, decider, jid)
            except ApiError as error:
                is_failed = True
                self._log.event(
                    "warning", "sweep_failed", user=jid.user, host=jid.host, detail=str(error)
                )
                continue
            if ended is not None:
                self._metrics.swept.inc()
                self._log.event("info", "sweep_ended", user=jid.user, host=jid.host, ended=ended)
        return is_failed

    def _until_stopped(self, items: Iterable[T]) -> Iterator[T]:
        for item in items:
            if self._stopping.is_set():
                raise _StoppedError
            yield item
