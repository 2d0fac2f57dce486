"""The ``stats`` command: reads the log once and prints its report.

Bytes → lines (``sources.py``) → entries (``log_entries.py``) → statistics (``summary.py``) → JSON
(``report.py``) → tables (``tables.py``). A line that is not an entry is counted and ignored.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from extauth_http.stats.report import LogReport
from extauth_http.stats.sources import (
    LineSplitter,
    follow_file,
    follow_pipe,
    is_gzip,
    oldest_first,
    read_log,
)
from extauth_http.terminal.broken_pipe import discard_stdout
from extauth_http.terminal.console import stdout_console
from extauth_http.terminal.printable import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.progress import Progress, TaskID

TERMINAL_SECONDS = 2.0
"""The time between two updates of ``--follow`` on a terminal."""

OUTPUT_SECONDS = 10.0
"""The time between two reports of ``--follow`` in a file or a pipe."""


def stats(
    files: list[Path | None], report: LogReport, *, follow: bool = False, as_json: bool = False
) -> int:
    """Reads ``files`` (None is standard input) into ``report`` and prints it.

    With ``follow``, reads the last file until it ends or until Ctrl-C. Returns the exit code: 1 if
    only a part of a file could be read. Raises OSError if a file cannot be read at all.
    """
    complete = files[:-1] if follow else files
    blocks = _follow_blocks(files[-1]) if follow else None
    named: list[Path | None] = [*oldest_first(file for file in complete if file)]
    code = _read_all(named + ([None] if None in complete else []), report)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # for names that the locale cannot encode
    console = stdout_console()
    try:
        if blocks:
            _follow(blocks, report, console, as_json)
        else:
            _print(report, console, as_json)
        sys.stdout.flush()
    except BrokenPipeError:
        discard_stdout()
    return code


def _follow_blocks(file: Path | None) -> Iterator[bytes]:
    if file is None:
        return follow_pipe(0)
    with file.open("rb") as opened:
        if is_gzip(opened):
            raise OSError(0, "compressed files do not grow", str(file))
    return follow_file(file)


def _read_all(files: list[Path | None], report: LogReport) -> int:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn()
    console = Console(stderr=True, markup=False, highlight=False)
    code = 0
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        for file in files:
            name = printable(str(file or "standard input"))
            source: BinaryIO = file.open("rb") if file else sys.stdin.buffer
            task = progress.add_task(escape(name), total=os.fstat(source.fileno()).st_size or None)
            with source:
                error = read_log(source, report.add_line, partial(_update, progress, task))
            if error:
                console.print(f"extauth-http: {name}: {error}", soft_wrap=True)
                code = 1
    return code


def _update(progress: "Progress", task: "TaskID", position: int) -> None:
    progress.update(task, completed=position)


def _follow(blocks: Iterator[bytes], report: LogReport, console: "Console", as_json: bool) -> None:
    from rich.live import Live

    splitter = LineSplitter()
    live = None if as_json or not console.is_terminal else Live(console=console, auto_refresh=False)
    pause = TERMINAL_SECONDS if live else OUTPUT_SECONDS
    next_print = time.monotonic() + (0 if live else pause)
    if live:
        live.start()
    try:
        for block in blocks:
            for line in splitter.feed(block):
                report.add_line(line)
            if time.monotonic() >= next_print:
                _print(report, console, as_json, live)
                next_print = time.monotonic() + pause
    except KeyboardInterrupt:
        pass
    finally:
        for line in splitter.end():
            report.add_line(line)
        _print(report, console, as_json, live)
        if live:
            live.stop()


def _print(
    report: LogReport, console: "Console", as_json: bool, live: "Live | None" = None
) -> None:
    if as_json:
        print(json.dumps(report.as_json()), flush=True)
        return
    from extauth_http.stats.tables import report_tables

    tables = report_tables(report.as_json())
    if live:
        live.update(tables, refresh=True)
    else:
        console.print(tables, crop=False)
