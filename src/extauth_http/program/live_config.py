"""The configuration in use: reread when a file of it changes, kept when the new one is broken."""

import threading
import time
from collections.abc import Collection
from pathlib import Path

from extauth_http.backends.registry import load
from extauth_http.config.loader import config_file
from extauth_http.config.settings import LogSettings, Settings, UnusableConfigError
from extauth_http.program.decider import Decider, UnconfiguredDecider
from extauth_http.program.log import Log
from extauth_http.program.threads import run_in_background
from extauth_http.protocol.replies import Dialect

RETRY_SECONDS = 1.0
"""How often a broken configuration is tried again though its file is as it was: the fault may lie
in a secret file, a permission or a package."""

READINGS = 3
"""How often a configuration is read again because it names files whose state was not looked at
before; more only where it is rewritten all the while."""

REMIND_SECONDS = 60.0

Event = tuple[str, str, dict[str, object]]
"""A level, a name and the fields of a line in the log."""

Signature = tuple[tuple[int, int, int, int] | None, ...]


class LiveConfig:
    """What decides now. Asked once a packet; looks at the files each time (a stat a file)."""

    def __init__(self, argument: Path | None, log: Log) -> None:
        self._argument = argument
        self._log = log
        self._lock = threading.Lock()
        self._files: list[Path] = []
        self._seen: Signature | None = None
        self._problems: list[str] = []
        self._next_try = 0.0
        self._next_reminder = 0.0
        self._decider: Decider | UnconfiguredDecider = UnconfiguredDecider(Dialect.EJABBERD)
        self._was_read = threading.Event()

    def current(self) -> Decider | UnconfiguredDecider:
        """What decides the next command, by the files as they are now. Waits for the first
        reading; the watch over the command ends that where it hangs."""
        self._was_read.wait()
        if self._problems:
            due = time.monotonic() >= self._next_try
            if due or self._signature() != self._seen:
                self.reload()
            self._log_events(self._reminder())
        elif self._signature() != self._seen:
            self.reload()
        return self._decider

    def acquire(self) -> Decider | UnconfiguredDecider:
        """Like ``current``, and counts a use of the decider, which ``release`` ends."""
        decider = self.current()
        while not decider.acquire():  # replaced in the meantime
            decider = self._decider
        return decider

    @property
    def hosts(self) -> Collection[str]:
        """The virtual hosts that have a backend of their own."""
        return self._decider.hosts

    def reload_in_thread(self) -> None:
        """``reload`` in a thread of its own: a package that is imported by it may do anything."""
        run_in_background(self.reload, "reload")

    def reload(self) -> None:
        """Reads the configuration. What is wrong with it is logged; what worked is kept.

        Returns at once where another thread is at it.
        """
        if not self._lock.acquire(blocking=False):
            return
        try:
            events = self._reload()
        finally:
            self._was_read.set()
            self._lock.release()
        self._log_events(events)  # only now: a log may hang

    def _reload(self) -> list[Event]:
        self._next_try = time.monotonic() + RETRY_SECONDS
        try:
            file = config_file(self._argument)
            settings = self._read(file)
            return self._use(settings, Decider(settings), file)
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
        """The settings. ``_seen`` tells how their files were before they were read, so that what
        is written meanwhile is a change at the next packet."""
        itself = [file] if file else []
        before = [*itself, *self._files]
        for _ in range(READINGS):
            self._files = list(dict.fromkeys(before))
            self._seen = seen = self._signature()
            settings = load(file)
            states = dict(zip(self._files, seen, strict=True))
            before = [*itself, *settings.files()]
            if states.keys() >= set(before):
                break
        self._files = list(dict.fromkeys(before))
        self._seen = tuple(states.get(each) for each in self._files)
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
            "every answer is UNDECIDED until it is mended"
            if isinstance(self._decider, UnconfiguredDecider)
            else "the settings before it stay in use"
        )
        return [("error", "config_broken", {"problems": self._problems, "detail": in_use})]

    def _log_events(self, events: list[Event]) -> None:
        for level, name, fields in events:
            self._log.event(level, name, **fields)

    def _signature(self) -> Signature:
        return tuple(_state(file) for file in self._files)


def _state(file: Path) -> tuple[int, int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
