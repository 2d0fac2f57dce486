"""The parent process of ``serve``: starts the workers and the metrics server, and restarts them.

It owns the listening socket. It reads no packet and no configuration, so neither can end it.
"""

import gc
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn

from extauth_http.program.log import Log
from extauth_http.service.connection_counts import ConnectionCounts
from extauth_http.service.listener import Listener, ServeError, SocketState
from extauth_http.service.notify import notify
from extauth_http.service.worker import Worker
from extauth_http.service.worker_channel import create_channel, send_balance, send_listening

READY_SECONDS = 5.0
"""The service reports that it is ready after this time even if a worker still reads its
configuration."""

RESTART_SECONDS = 1.0
"""A process that ended within this time of its start is restarted after the same time. Any other
process is restarted at once."""


SOCKET_CHECK_SECONDS = 1.0
"""The time between two checks that the socket is still in its place."""


@dataclass(slots=True)
class _Process:
    """A child process. ``pid`` is 0 while it does not run; times are those of ``monotonic``.

    ``channel`` is the end of the supervisor, and in the child the end of the worker.
    """

    name: str
    job: Callable[[], None]
    pid: int = 0
    channel: socket.socket | None = None
    started_at: float = 0.0
    start_at: float = 0.0


class Supervisor:
    """Runs ``workers`` processes, and one more that answers scrapes if ``metrics`` is set.

    ``folder`` is where the workers share their metrics.
    """

    def __init__(
        self,
        listener: Listener,
        config: Path | None,
        workers: int,
        metrics: tuple[str, int] | None,
        folder: str | None,
    ) -> None:
        self._listener = listener
        self._config = config
        self._counts = ConnectionCounts(workers)
        self._socket_state = SocketState.IN_PLACE
        self._workers = [_Process("worker", partial(self._run_worker, i)) for i in range(workers)]
        self._processes = list(self._workers)
        self._remove_gauges: Callable[[int], None] | None = None
        if metrics and folder:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
            from extauth_http.service.metrics import remove_gauges

            self._remove_gauges = remove_gauges
            self._processes.append(_Process("metrics", lambda: self._run_metrics(*metrics)))
        self._log = Log()
        self._stop_requested = False
        self._reload_requested = False
        self._is_ready = False
        self._ready_workers = 0
        # Only the supervisor holds the write end. Children see the end of file when it ends.
        self._parent_pipe, self._parent_end = os.pipe()
        self._ready_read, self._ready_write = os.pipe()
        self._wake_read, self._wake_write = os.pipe()
        for descriptor in (self._ready_read, self._wake_read, self._wake_write):
            os.set_blocking(descriptor, False)

    def run(self) -> None:
        """Keeps the processes running. After SIGTERM or SIGINT, returns when all have ended."""
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop_signal)
        signal.signal(signal.SIGHUP, self._on_hangup)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # The children share the objects that exist now. Collecting them later would copy them.
        gc.collect()
        gc.freeze()
        ready_at = time.monotonic() + READY_SECONDS
        while not self._stop_requested:
            now = time.monotonic()
            for process in self._processes:
                if not process.pid and process.start_at <= now:
                    self._start(process)
            next_times = [process.start_at for process in self._processes if not process.pid]
            next_times.append(now + SOCKET_CHECK_SECONDS)
            if not self._is_ready:
                next_times.append(ready_at)
            self._wait(min(next_times) - now)
            self._report_ready(ready_at)
            self._check_socket()
            if self._reload_requested:
                self._reload_requested = False
                self._send_signal(self._workers, signal.SIGHUP)
            self._handle_ended_processes()
        self._shut_down()

    def _shut_down(self) -> None:
        notify("STOPPING=1")
        self._listener.close()
        self._send_signal(self._workers, signal.SIGTERM)
        while any(worker.pid for worker in self._workers):
            self._wait(None)
            self._handle_ended_processes()
        self._send_signal(self._processes, signal.SIGTERM)
        for process in self._processes:
            if process.pid:
                os.waitpid(process.pid, 0)

    def _on_stop_signal(self, *_: object) -> None:
        self._stop_requested = True

    def _on_hangup(self, *_: object) -> None:
        self._reload_requested = True

    def _send_signal(self, processes: list[_Process], number: signal.Signals) -> None:
        for process in processes:
            if process.pid:
                os.kill(process.pid, number)

    def _wait(self, seconds: float | None) -> None:
        """Waits for a signal, for a worker that becomes ready, or for so many seconds."""
        pipes = [self._wake_read, self._ready_read]
        for pipe in select.select(pipes, [], [], None if seconds is None else max(0.0, seconds))[0]:
            data = os.read(pipe, 4096)
            if pipe == self._ready_read:
                self._ready_workers += len(data)
                if self._is_ready:  # the new worker has no connections yet
                    self._send_to_workers(send_balance)

    def _report_ready(self, ready_at: float) -> None:
        if self._is_ready:
            return
        if self._ready_workers >= len(self._workers) or time.monotonic() >= ready_at:
            self._is_ready = True
            notify("READY=1")

    def _send_to_workers(self, send: Callable[[socket.socket], None]) -> None:
        for worker in self._workers:
            if worker.pid and worker.channel:
                send(worker.channel)

    def _check_socket(self) -> None:
        """Creates the socket again if it was removed. Without it, no relay can connect."""
        state, before = self._listener.state(), self._socket_state
        if state is SocketState.REMOVED and self._listener.is_own:
            old = self._listener
            try:
                self._listener = Listener.bind(old.path, old.group, old.owner)
            except ServeError as error:
                if before is not state:
                    self._log.event("error", "socket_removed", detail=str(error))
            else:
                self._log.event("warning", "socket_created", detail=f"{old.path} was removed")
                self._send_to_workers(
                    lambda channel: send_listening(channel, self._listener.listening)
                )
                old.listening.close()
                state = SocketState.IN_PLACE
        elif state is not before and state is not SocketState.IN_PLACE:
            detail = (
                f"{self._listener.path} was {state.value}: no relay can connect to this service"
            )
            if not self._listener.is_own:
                detail += "; restart its systemd socket unit"
            is_removed = state is SocketState.REMOVED
            event = "socket_removed" if is_removed else "socket_replaced"
            self._log.event("error", event, detail=detail)
        self._socket_state = state

    def _handle_ended_processes(self) -> None:
        for process in self._processes:
            if not process.pid:
                continue
            pid, status = os.waitpid(process.pid, os.WNOHANG)
            if not pid:
                continue
            if not self._stop_requested:
                code = os.waitstatus_to_exitcode(status)
                self._log.event("error", "process_ended", process=process.name, pid=pid, code=code)
            if self._remove_gauges:
                self._remove_gauges(pid)
            process.pid = 0
            if process.channel:
                self._counts.stop(self._workers.index(process))
                process.channel.close()
                process.channel = None
            now = time.monotonic()
            ended_early = now - process.started_at < RESTART_SECONDS
            process.start_at = now + RESTART_SECONDS if ended_early else now

    def _start(self, process: _Process) -> None:
        process.started_at = time.monotonic()
        theirs = None
        # A signal between the fork and the child's own handlers would be lost.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            if process in self._workers:
                process.channel, theirs = create_channel()
            process.pid = os.fork()
            if process.pid == 0:
                process.channel = theirs
                self._run_child(process)
        except OSError as error:
            self._log.event(
                "error", "process_not_started", process=process.name, detail=error.strerror
            )
            process.start_at = process.started_at + RESTART_SECONDS
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            if theirs:
                theirs.close()

    # In the child process.

    def _run_child(self, process: _Process) -> NoReturn:
        code = 1
        try:
            self._log = Log()  # with the pid of the child
            os.close(self._parent_end)
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            process.job()
            code = 0
        except BaseException as error:  # noqa: BLE001 - a child never runs the code of its parent
            self._log.event(
                "error", "process_failed", process=process.name, detail=type(error).__name__
            )
        finally:
            os._exit(code)

    def _run_worker(self, number: int) -> None:
        channel = self._workers[number].channel
        if channel is None:
            raise ServeError("a worker has no channel")
        metrics = None
        if self._remove_gauges:
            from extauth_http.service.metrics import Metrics

            try:
                metrics = Metrics()
            except OSError as error:
                self._log.event("error", "not_counted", detail=error.strerror)
        worker = Worker(
            self._listener.listening,
            self._parent_pipe,
            channel,
            self._config,
            metrics,
            self._send_ready,
            number,
            self._counts,
        )
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        worker.run()

    def _send_ready(self) -> None:
        os.write(self._ready_write, b".")

    def _run_metrics(self, host: str, port: int) -> None:
        from extauth_http.service.metrics import serve_metrics

        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        self._listener.listening.close()
        serve_metrics(host, port, self._parent_pipe)
