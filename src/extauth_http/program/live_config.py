"""The configuration in use. It is read again when one of its files has changed.

If the new configuration cannot be used, the previous one stays in use.
"""

import threading
import time
from collections.abc import Collection
from pathlib import Path

from extauth_http.backends.registry import load
from extauth_http.config.backend import BackendSettings
from extauth_http.config.endpoint import Origin
from extauth_http.config.loader import config_file
from extauth_http.config.settings import LogSettings, Settings, UnusableConfigError
from extauth_http.http.breaker import BreakerState
from extauth_http.http.pool import ConnectionPool
from extauth_http.program.decider import Decider, UnconfiguredDecider
from extauth_http.program.log import Log
from extauth_http.program.threads import run_in_background
from extauth_http.protocol.replies import Dialect

RETRY_SECONDS = 1.0
"""Time between two attempts to read an unusable configuration whose files have not changed. The
fault may be in a permission or a package."""

MAX_READINGS = 3
"""Readings in a row. The first finds out which secret files the configuration names, the second
knows their state before it reads them. A third is needed only if a file changes in between."""

REMIND_SECONDS = 60.0
"""Time between two log events about the same unusable configuration."""

Event = tuple[str, str, dict[str, object]]
"""The level, the name and the fields of a log event."""

Signature = tuple[tuple[int, int, int, int] | None, ...]
"""Inode, size and both times of each file, or None for a file that does not exist."""


class LiveConfig:
    """The current decider. Each packet costs one ``stat`` per file. Safe to use from any thread."""

    def __init__(self, argument: Path | None, log: Log) -> None:
        self._argument = argument
        self._log = log
        self._lock = threading.Lock()
        self._files: list[Path] = []
        self._signature: Signature | None = None
        self._problems: list[str] = []
        self._next_try = 0.0
        self._next_reminder = 0.0
        self._decider: Decider | UnconfiguredDecider = UnconfiguredDecider(Dialect.EJABBERD)
        self._has_been_read = threading.Event()
        self._has_reported_unasked = False

    def _pool(self, settings: BackendSettings) -> ConnectionPool:
        return ConnectionPool.of_backend(settings, self._report_unasked)

    def _report_unasked(self, origin: Origin) -> None:
        """Logs once that a service sends responses that nobody asked for."""
        if self._has_reported_unasked:
            return
        self._has_reported_unasked = True
        detail = (
            f"{origin} or a proxy before it sent bytes that belong to no request. The connection "
            "was closed. Set echo or reuse_connections = false in [backend]"
        )
        # In a thread of its own: this runs inside a backend call, which can be interrupted.
        run_in_background(
            lambda: self._log.event("error", "unasked_response", detail=detail), "unasked_response"
        )

    def _report_breaker(self, kind: str, state: BreakerState) -> None:
        """Logs that the circuit breaker of a backend opened or closed."""
        if state is BreakerState.CLOSED:
            detail = "the service answers again"
            run_in_background(
                lambda: self._log.event("info", "breaker_closed", backend=kind, detail=detail),
                "breaker_closed",
            )
            return
        detail = (
            "the service does not answer in time. Logins are UNDECIDED at once, except one at a "
            "time, until it answers"
        )
        run_in_background(
            lambda: self._log.event("error", "breaker_open", backend=kind, detail=detail),
            "breaker_open",
        )

    def current(self) -> Decider | UnconfiguredDecider:
        """Returns the decider for the files as they are now. Waits for the first reading."""
        self._has_been_read.wait()
        if self._problems:
            due = time.monotonic() >= self._next_try
            if due or self._current_signature() != self._signature:
                self.reload()
            self._log_events(self._reminder())
        elif self._current_signature() != self._signature:
            self.reload()
        return self._decider

    def acquire(self) -> Decider | UnconfiguredDecider:
        """Like ``current``, and counts a use of the decider, which its ``release`` ends."""
        decider = self.current()
        while not decider.acquire():  # replaced in the meantime
            decider = self._decider
        return decider

    @property
    def hosts(self) -> Collection[str]:
        """The virtual hosts that have a backend of their own."""
        return self._decider.hosts

    def reload_in_thread(self) -> None:
        """Runs ``reload`` in a thread of its own, because it may import a package that hangs."""
        run_in_background(self.reload, "reload")

    def reload(self) -> None:
        """Reads the configuration and uses it, or logs its problems.

        Returns at once if another thread is reading it.
        """
        if not self._lock.acquire(blocking=False):
            return
        try:
            events = self._reload()
        finally:
            self._has_been_read.set()
            self._lock.release()
        self._log_events(events)  # without the lock, because a log may hang

    def _reload(self) -> list[Event]:
        self._next_try = time.monotonic() + RETRY_SECONDS
        try:
            file = config_file(self._argument)
            settings = self._read(file)
            return self._use(
                settings, Decider(settings, self._pool, on_breaker=self._report_breaker), file
            )
        except UnusableConfigError as bad:
            return self._refuse(bad)
        except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001 - a backend may do anything
            return self._refuse(
                UnusableConfigError(
                    [f"reading the configuration failed: {type(error).__name__}"],
                    LogSettings(),
                    Dialect.EJABBERD,
                )
            )

    def _read(self, file: Path | None) -> Settings:
        """Reads the settings and the signature of their files.

        The signature is older than the settings: a file that is written in between has changed
        at the next packet.
        """
        main_file = [file] if file else []
        before = [*main_file, *self._files]
        for _ in range(MAX_READINGS):
            self._files = list(dict.fromkeys(before))
            self._signature = seen = self._current_signature()
            settings = load(file)
            states = dict(zip(self._files, seen, strict=True))
            before = [*main_file, *settings.files()]
            if states.keys() >= set(before):
                break
        self._files = list(dict.fromkeys(before))
        self._signature = tuple(states.get(each) for each in self._files)
        return settings

    def _use(self, settings: Settings, decider: Decider, file: Path | None) -> list[Event]:
        first = isinstance(self._decider, UnconfiguredDecider)
        before, self._decider = self._decider, decider
        self._problems = []
        self._log.configure(settings.log)
        before.retire()
        name = "config_loaded" if first else "config_reloaded"
        warnings = settings.warnings()
        events: list[Event] = [("warning", "config_warning", {"detail": each}) for each in warnings]
        return [("info", name, {"file": str(file)}), *events]

    def _refuse(self, bad: UnusableConfigError) -> list[Event]:
        if isinstance(self._decider, UnconfiguredDecider):
            self._decider = UnconfiguredDecider(bad.dialect)
            self._log.configure(bad.log)
        if bad.problems != self._problems:
            self._problems = bad.problems
            self._next_reminder = 0.0
        return self._reminder()

    def _reminder(self) -> list[Event]:
        now = time.monotonic()
        if not self._problems or now < self._next_reminder:
            return []
        self._next_reminder = now + REMIND_SECONDS
        in_use = (
            "every reply is UNDECIDED until the configuration is fixed"
            if isinstance(self._decider, UnconfiguredDecider)
            else "the previous configuration stays in use"
        )
        return [("error", "config_broken", {"problems": self._problems, "detail": in_use})]

    def _log_events(self, events: list[Event]) -> None:
        for level, name, fields in events:
            self._log.event(level, name, **fields)

    def _current_signature(self) -> Signature:
        return tuple(_state(file) for file in self._files)


def _state(file: Path) -> tuple[int, int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
