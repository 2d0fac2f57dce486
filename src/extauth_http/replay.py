"""``extauth-http replay``: runs the commands of a file and shows their verdicts.

The file holds packets, or text with one command on each line: ``operation:user:host[:password]``.
Empty lines and lines that start with ``#`` are ignored. A line may end with the verdict that is
expected: ``=> allow``, ``=> deny`` or ``=> undecided``.
"""

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from extauth_http.program.debug_stream import DebugStream
from extauth_http.program.outcome import Outcome, masked_command
from extauth_http.program.port import Port
from extauth_http.program.replay_line import parse_line
from extauth_http.protocol.packet_parser import frame
from extauth_http.protocol.verdict import Verdict
from extauth_http.terminal.broken_pipe import discard_stdout
from extauth_http.terminal.console import stdout_console
from extauth_http.terminal.error_message import print_error
from extauth_http.terminal.printable import printable

if TYPE_CHECKING:
    from rich.table import Table


class Row(NamedTuple):
    """An outcome, the verdict that its line expects, if any, and what was exchanged."""

    outcome: Outcome
    expected: Verdict | None = None
    lines: tuple[str, ...] = ()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Run the commands of a file and show a table of their verdicts. The exit code is 1 if a "
        "verdict is not as expected."
    )
    parser.add_argument(
        "file",
        metavar="FILE",
        help="text such as 'auth:alice:example.org:secret => allow', one command on a line, or "
        "packets; - is standard input",
    )
    parser.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="show the requests, the responses and the rules that decided, with secrets masked",
    )
    parser.add_argument(
        "--record",
        type=Path,
        metavar="OUT",
        help="run nothing: write the commands of the text file to OUT as packets",
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    name: str = arguments.file
    try:
        if arguments.record:
            text = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
            arguments.record.write_bytes(packets_of_text(text))
            return 0
        source = 0 if name == "-" else os.open(name, os.O_RDONLY)
    except OSError as error:
        return print_error(f"{error.filename}: {error.strerror}")
    except ValueError as error:
        return print_error(f"{name}: {error}")
    return replay(arguments.config, source, debug=arguments.debug, verbose=arguments.verbose)


def packets_of_text(text: bytes) -> bytes:
    """The packets of a text file, one after the other, each with its 2-byte length.

    Raises ValueError with the number of a line that does not fit into a packet.
    """
    packets = b""
    for number, raw in enumerate(text.decode(errors="surrogateescape").split("\n"), start=1):
        line = parse_line(raw)
        if line is None:
            continue
        try:
            packets += frame(line.packet)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
    return packets


def replay(config: Path | None, source: int, *, debug: bool, verbose: bool) -> int:
    """Runs the commands of the file descriptor ``source`` through a port and prints the table, with
    ``verbose`` also what was exchanged with the service.

    Returns 1 if a verdict is not as expected, 2 if the configuration cannot be used.
    """
    from extauth_http.backends.registry import load
    from extauth_http.config.loader import ConfigError, config_file
    from extauth_http.program.live_config import LiveConfig
    from extauth_http.program.log import Log
    from extauth_http.program.traced_decider import TracedDecider
    from extauth_http.program.watchdog import Watchdog

    try:
        settings = load(config_file(config))
    except ConfigError as error:
        for problem in error.problems:
            print_error(problem)
        return 2
    log = Log(console_level="debug" if debug else "error")
    live = LiveConfig(config, log)
    watchdog = Watchdog(on_hangup=live.reload_in_thread)
    reader = DebugStream()
    traced = TracedDecider(settings) if verbose else None
    rows: list[Row] = []
    sink = os.open(os.devnull, os.O_WRONLY)

    def record(outcome: Outcome) -> None:
        lines = traced.lines(outcome.decision) if traced else ()
        rows.append(Row(outcome, reader.expected, lines))
        log.outcome(outcome)

    port = Port(
        source,
        sink,
        (lambda: traced) if traced else live.acquire,
        reader=reader,
        encode=lambda _: b"",
        record=record,
        warn=lambda name, detail: log.event("warning", name, detail=detail),
        wake=watchdog.wake,
    )
    live.reload_in_thread()
    started = time.monotonic()
    watchdog.add(port)
    port.start()
    watchdog.run()
    return print_rows(rows, time.monotonic() - started)


def print_rows(rows: list[Row], seconds: float) -> int:
    """Prints the table and the totals. Returns 1 if a verdict is not as expected."""
    counts = dict.fromkeys(Verdict, 0)
    for outcome, _, _ in rows:
        counts[outcome.decision.answer.verdict] += 1
    expectations = [
        expected is outcome.decision.answer.verdict for outcome, expected, _ in rows if expected
    ]
    totals = f"{len(rows)} command{'s' * (len(rows) != 1)} in {seconds:.2f} s: "
    totals += ", ".join(f"{count} {verdict.value}" for verdict, count in counts.items())
    if expectations:
        totals += f"; {sum(expectations)} of {len(expectations)} expectations met"
    console = stdout_console()
    try:
        if any(row.lines for row in rows):
            for row in rows:
                console.print(_table([row]))
                for line in row.lines:
                    console.print(f"    {printable(line)}", highlight=False, markup=False)
        else:
            console.print(_table(rows))
        console.print(totals, highlight=False)
        sys.stdout.flush()
    except BrokenPipeError:
        discard_stdout()
    return 0 if all(expectations) else 1


def _table(rows: list[Row]) -> "Table":
    from rich.table import Column, Table
    from rich.text import Text

    colors = {Verdict.ALLOW: "green", Verdict.DENY: "red", Verdict.UNDECIDED: "yellow"}
    command = Column("command", overflow="fold")
    table = Table(command, "verdict", "reason", "status", "ms", box=None, pad_edge=False)
    for column in table.columns[3:]:
        column.justify = "right"
    for outcome, expected, _ in rows:
        answer = outcome.decision.answer
        verdict = Text(answer.verdict.value, style=colors[answer.verdict])
        if expected and expected is not answer.verdict:
            verdict.append(f", expected {expected.value}", style="bold")
        reason = f"{answer.reason}: {answer.detail}" if answer.detail else answer.reason
        table.add_row(
            Text(printable(masked_command(outcome))),
            verdict,
            Text(printable(reason)),
            str(outcome.decision.status or ""),
            f"{outcome.seconds * 1000:.1f}",
        )
    return table
