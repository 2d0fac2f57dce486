"""``extauth-http serve``: one service for any number of pool members, a process a core.

This process holds the socket, starts the others and starts them again. It reads no packet and no
configuration, so that nothing in them can end it.
"""

import gc
import os
import select
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from extauth_http.program.log import Log
from extauth_http.service.listener import Listener
from extauth_http.service.notify import notify
from extauth_http.service.worker import Worker

READY_SECONDS = 5.0
"""After this the service counts as ready though a process still reads its configuration."""

RESTART_SECONDS = 1.0
"""How long a process must have lived to be started again at once; else it waits as long."""


@dataclass(slots=True)
class _Process:
    name: str
    job: Callable[[], None]
    pid: int = 0
    """0 while it does not run."""
    start_at: float = 0.0
    started: float = 0.0


class Supervisor:
    """The processes of the service, and the one that answers scrapes where ``metrics`` is set."""

    def __init__(
        self,
        door: Listener,
        config: Path | None,
        workers: int,
        metrics: tuple[str, int] | None,
        folder: str | None,
    ) -> None:
        self._door = door
        self._config = config
        self._workers = [_Process("worker", self._work) for _ in range(workers)]
        self._all = list(self._workers)
        self._forget: Callable[[int], None] | None = None
        if metrics and folder:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
            from extauth_http.service.metrics import forget

            self._forget = forget
            self._all.append(_Process("metrics", lambda: self._export(*metrics)))
        self._log = Log()
        self._stops = False
        self._hangup = False
        self._is_ready = False
        self._ready_count = 0
        # Closed by the end of this process alone, however it ends.
        self._lifeline, self._life = os.pipe()
        self._ready_read, self._ready_write = os.pipe()
        self._wake_read, self._wake_write = os.pipe()
        for descriptor in (self._ready_read, self._wake_read, self._wake_write):
            os.set_blocking(descriptor, False)

    def run(self) -> None:
        """Keeps the processes running until told to stop and the last of them has ended."""
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._told_to_stop)
        signal.signal(signal.SIGHUP, self._told_to_reload)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # What is there before a fork is shared by all; collecting it would copy it.
        gc.collect()
        gc.freeze()
        ready_at = time.monotonic() + READY_SECONDS
        while not self._stops:
            now = time.monotonic()
            for process in self._all:
                if not process.pid and process.start_at <= now:
                    self._start(process)
            waits = [process.start_at for process in self._all if not process.pid]
            if not self._is_ready:
                waits.append(ready_at)
            self._sleep(min(waits) - now if waits else None)
            self._look_ready(ready_at)
            if self._hangup:
                self._hangup = False
                self._tell(self._workers, signal.SIGHUP)
            self._reap()
        self._finish()

    def _finish(self) -> None:
        notify("STOPPING=1")
        self._door.close()
        self._tell(self._workers, signal.SIGTERM)
        while any(worker.pid for worker in self._workers):
            self._sleep(None)
            self._reap()
        self._tell(self._all, signal.SIGTERM)
        for process in self._all:
            if process.pid:
                os.waitpid(process.pid, 0)

    def _told_to_stop(self, *_: object) -> None:
        self._stops = True

    def _told_to_reload(self, *_: object) -> None:
        self._hangup = True

    def _tell(self, processes: list[_Process], number: signal.Signals) -> None:
        for process in processes:
            if process.pid:
                os.kill(process.pid, number)

    def _sleep(self, seconds: float | None) -> None:
        """Until a signal came, a worker said that it is ready, or the seconds are over."""
        ends = [self._wake_read, self._ready_read]
        for end in select.select(ends, [], [], None if seconds is None else max(0.0, seconds))[0]:
            said = os.read(end, 4096)
            if end == self._ready_read:
                self._ready_count += len(said)

    def _look_ready(self, ready_at: float) -> None:
        if self._is_ready:
            return
        if self._ready_count >= len(self._workers) or time.monotonic() >= ready_at:
            self._is_ready = True
            notify("READY=1")

    def _reap(self) -> None:
        for process in self._all:
            if not process.pid:
                continue
            pid, status = os.waitpid(process.pid, os.WNOHANG)
            if not pid:
                continue
            if not self._stops:
                code = os.waitstatus_to_exitcode(status)
                self._log.event(
                    "error", "process_ended", process=process.name, child=pid, code=code
                )
            if self._forget:
                self._forget(pid)
            process.pid = 0
            now = time.monotonic()
            short = now - process.started < RESTART_SECONDS
            process.start_at = now + RESTART_SECONDS if short else now

    def _start(self, process: _Process) -> None:
        process.started = time.monotonic()
        # A signal between the fork and the child's own handlers would be lost.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            process.pid = os.fork()
            if process.pid == 0:
                self._be(process)
        except OSError as error:
            self._log.event("error", "process_not_started", detail=error.strerror)
            process.start_at = process.started + RESTART_SECONDS
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _be(self, process: _Process) -> NoReturn:
        """What a child does from its first moment to its last."""
        code = 1
        try:
            os.close(self._life)
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            process.job()
            code = 0
        except BaseException as error:  # noqa: BLE001 - a child must not go on as its parent
            self._log.event("error", "process_failed", detail=f"{type(error).__name__}")
        finally:
            os._exit(code)

    def _work(self) -> None:
        metrics = None
        if self._forget:
            from extauth_http.service.metrics import Metrics

            try:
                metrics = Metrics()
            except OSError as error:
                self._log.event("error", "not_counted", detail=error.strerror)
        connections = Worker(
            self._door.listening, self._lifeline, self._config, metrics, self._say_ready
        )
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        connections.run()

    def _say_ready(self) -> None:
        os.write(self._ready_write, b".")

    def _export(self, host: str, port: int) -> None:
        from extauth_http.service.metrics import export

        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        self._door.listening.close()
        export(host, port, self._lifeline)
