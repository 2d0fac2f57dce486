"""``extauth-http stats``: what the log says about logins, in one pass over it.

Lines → entries → a summary → tables or JSON. A line that is not ours is counted, never fatal.
"""

import json
import math
import os
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from extauth_http.config.durations import parse_duration
from extauth_http.stats.sketches import ERROR
from extauth_http.stats.sources import Lines, arriving, followed, in_order, is_compressed, read
from extauth_http.stats.summary import NOBODY, Counts, Entry, Summary
from extauth_http.terminal.broken_pipe import discard_stdout
from extauth_http.terminal.printable import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.progress import Progress, TaskID


MAX_NAME = 256
"""Characters of a name that are kept."""

MAX_EVENTS = 50
SHOW_SECONDS = 2.0
PRINT_SECONDS = 10.0
"""With ``--follow``: between two pictures on a terminal, and two reports elsewhere."""

LATEST = 1e11
"""In seconds since the epoch, which is the earliest: what is beyond is no time of a log."""

_VERDICTS = {"allow", "deny", "undecided"}


def since(text: str, now: float) -> float:
    """The moment that ``30m``, ``1h``, ``2d`` or an ISO 8601 time means, in seconds since the
    epoch; a time without a zone is UTC, as in the log. Raises ValueError."""
    try:
        return now - parse_duration(text)
    except ValueError:
        return _moment(text)


def _moment(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


class Report:
    """Everything that was read so far. ``begin`` is the moment from which on it counts;
    ``pool_size`` the number of pool members where it is known."""

    def __init__(self, begin: float = -math.inf, pool_size: int | None = None) -> None:
        self.summary = Summary()
        self.answers = self.before = self.not_json = self.unusable = 0
        self.events = Counts(MAX_EVENTS)
        self._begin = begin
        self._pool_size = pool_size

    def line(self, raw: bytes) -> None:
        """Counts one line; an empty one is none."""
        if not raw or raw.isspace():
            return
        event = _event(raw)
        if event is None:
            self.not_json += 1
            return
        name = event.get("event")
        if type(name) is not str:
            self.unusable += 1
            return
        try:
            moment = _moment(event["time"])
            if not 0 <= moment <= LATEST:
                raise ValueError("time")
            entry = _entry(event, moment) if name == "answer" else None
            pid = int(event["pid"])
        except (KeyError, TypeError, ValueError, OverflowError):
            self.unusable += 1
            return
        if moment < self._begin:
            self.before += 1
        elif entry:
            self.answers += 1
            self.summary.add(entry)
        else:
            self.events.add(_name(name))
            self.summary.pool.seen(pid, moment, moment)

    def as_json(self) -> dict[str, Any]:
        """What ``--json`` prints; docs/monitoring.md lists it."""
        summary = self.summary
        return {
            "from": _iso(summary.start),
            "to": _iso(summary.end),
            "seconds": round(summary.seconds, 3),
            "lines": {
                "answers": self.answers,
                "other_events": self.events.most_first(),
                "before": self.before,
                "not_json": self.not_json,
                "unusable": self.unusable,
            },
            "percentile_error": ERROR,
            "all": summary.all.summary(summary.seconds),
            "hosts": summary.groups(summary.hosts),
            "backends": summary.groups(summary.backends),
            "pool": summary.pool.summary(summary.seconds, self._pool_size),
        }


def _event(raw: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(raw.decode(errors="replace"))
    except (ValueError, RecursionError):
        return None
    return event if type(event) is dict else None


def _entry(event: dict[str, Any], moment: float) -> Entry:
    """Raises KeyError, TypeError or ValueError where it is no answer as this program logs it."""
    ms = event["ms"]
    if type(ms) not in (float, int) or not 0 <= ms < math.inf:
        raise ValueError("ms")
    if event["verdict"] not in _VERDICTS:
        raise ValueError("verdict")
    return Entry(
        moment,
        str(event.get("operation")),
        _name(event.get("user", "")),
        _name(event.get("host", NOBODY)),
        _name(event.get("backend", NOBODY)),
        event["verdict"],
        _name(event["reason"]),
        ms,
        int(event["pid"]),
    )


def _name(text: Any) -> str:
    if type(text) is not str:
        raise TypeError("not a name")
    return printable(text[:MAX_NAME])


def _iso(moment: float) -> str | None:
    if math.isinf(moment):
        return None
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")


def stats(
    files: list[Path | None], report: Report, *, follow: bool = False, json_only: bool = False
) -> int:
    """Reads ``files`` (None: standard input) and prints the report; with ``follow`` the last one is
    read on until it ends or Ctrl-C. Returns the exit code: 1 where a file could be read in part
    only. Raises OSError for one that cannot be read at all."""
    from rich.console import Console

    whole = files[:-1] if follow else files
    blocks = _growing(files[-1]) if follow else None
    named: list[Path | None] = [*in_order(file for file in whole if file)]
    code = _read_all(named + ([None] if None in whole else []), report)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a locale without the name of a user
    console = Console() if sys.stdout.isatty() else Console(width=200)
    try:
        if blocks:
            _follow(blocks, report, console, json_only)
        else:
            _show(report, console, json_only)
        sys.stdout.flush()
    except BrokenPipeError:
        discard_stdout()
    return code


def _growing(file: Path | None) -> Iterator[bytes]:
    if file is None:
        return arriving(0)
    with file.open("rb") as opened:
        if is_compressed(opened):
            raise OSError(0, "compressed, so nothing will be added to it", str(file))
    return followed(file)


def _read_all(files: list[Path | None], report: Report) -> int:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn()
    console = Console(stderr=True, markup=False, highlight=False)
    code = 0
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        for file in files:
            name = str(file or "standard input")
            source: BinaryIO = file.open("rb") if file else sys.stdin.buffer
            task = bar.add_task(escape(name), total=os.fstat(source.fileno()).st_size or None)
            with source:
                trouble = read(source, report.line, partial(_advance, bar, task))
            if trouble:
                console.print(f"extauth-http: {name}: {trouble}", soft_wrap=True)
                code = 1
    return code


def _advance(bar: "Progress", task: "TaskID", position: int) -> None:
    bar.update(task, completed=position)


def _follow(blocks: Iterator[bytes], report: Report, console: "Console", json_only: bool) -> None:
    from rich.live import Live

    lines = Lines()
    live = (
        None if json_only or not console.is_terminal else Live(console=console, auto_refresh=False)
    )
    pause = SHOW_SECONDS if live else PRINT_SECONDS
    due = time.monotonic() + (0 if live else pause)
    if live:
        live.start()
    try:
        for block in blocks:
            for line in lines.feed(block):
                report.line(line)
            if time.monotonic() >= due:
                _show(report, console, json_only, live)
                due = time.monotonic() + pause
    except KeyboardInterrupt:
        pass
    finally:
        for line in lines.end():
            report.line(line)
        _show(report, console, json_only, live)
        if live:
            live.stop()


def _show(report: Report, console: "Console", json_only: bool, live: "Live | None" = None) -> None:
    if json_only:
        print(json.dumps(report.as_json()), flush=True)
        return
    from extauth_http.stats.tables import tables

    if live:
        live.update(tables(report.as_json()), refresh=True)
    else:
        console.print(tables(report.as_json()), crop=False)
