"""Commands by hand: replay files, framed or text, and how their outcomes are shown.

A text file holds one command a line, as in a packet: ``operation:user:host[:password]``. Empty
lines and lines that begin with ``#`` are passed over. A line may end in what is expected:
``=> allow``, ``=> deny`` or ``=> undecided``.
"""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from extauth_http.program.outcome import Outcome, masked_command
from extauth_http.program.port import Port
from extauth_http.program.replay_line import parse_line
from extauth_http.protocol.packets import frame
from extauth_http.protocol.verdict import Verdict

if TYPE_CHECKING:
    from rich.table import Table

from extauth_http.program.debug_stream import DebugStream


def record(source: bytes) -> bytes:
    """The framed packets of a text replay. Raises ValueError naming a line that is too long."""
    framed = b""
    for number, raw in enumerate(source.decode(errors="surrogateescape").split("\n"), start=1):
        line = parse_line(raw)
        if line is None:
            continue
        try:
            framed += frame(line.packet)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
    return framed


def replay(config: Path | None, source: int, *, debug: bool) -> int:
    """Runs a replay through the real port and prints a table; 1 where an expectation was not
    met, 2 where the configuration is broken."""
    import os

    from extauth_http.backends.registry import load
    from extauth_http.config.loader import ConfigError, config_file
    from extauth_http.program.live_config import LiveConfig
    from extauth_http.program.log import Log
    from extauth_http.program.watchdog import Watchdog

    try:
        load(config_file(config))
    except ConfigError as bad:
        for problem in bad.problems:
            print(f"extauth-http: {problem}", file=sys.stderr)
        return 2
    log = Log(console_level="debug" if debug else "error")
    live = LiveConfig(config, log)
    watch = Watchdog(on_hangup=live.reload_in_thread)
    reader = DebugStream()
    rows: list[tuple[Outcome, Verdict | None]] = []
    nowhere = os.open(os.devnull, os.O_WRONLY)

    def note(outcome: Outcome) -> None:
        rows.append((outcome, reader.expected))
        log.outcome(outcome)

    port = Port(
        source,
        nowhere,
        live.current,
        reader=reader,
        encode=lambda _: b"",
        record=note,
        warn=lambda name, detail: log.event("warning", name, detail=detail),
        wake=watch.wake,
    )
    live.reload_in_thread()
    started = time.monotonic()
    watch.add(port)
    port.start()
    watch.run()
    return report(rows, time.monotonic() - started)


def report(rows: list[tuple[Outcome, Verdict | None]], seconds: float) -> int:
    """Prints the table and the counts; 1 where an expectation was not met."""
    from rich.console import Console

    console = Console() if sys.stdout.isatty() else Console(width=200)
    console.print(_table(rows))
    counts = dict.fromkeys(Verdict, 0)
    for outcome, _ in rows:
        counts[outcome.decision.answer.verdict] += 1
    missed = sum(
        expected is not None and expected is not outcome.decision.answer.verdict
        for outcome, expected in rows
    )
    told = sum(expected is not None for _, expected in rows)
    console.print(
        f"{len(rows)} command{'s' * (len(rows) != 1)} in {seconds:.2f} s: "
        + ", ".join(f"{count} {verdict.value}" for verdict, count in counts.items())
        + (f"; {told - missed} of {told} expectations met" if told else ""),
        highlight=False,
    )
    return 1 if missed else 0


def _table(rows: list[tuple[Outcome, Verdict | None]]) -> "Table":
    from rich.table import Column, Table
    from rich.text import Text

    colours = {Verdict.ALLOW: "green", Verdict.DENY: "red", Verdict.UNDECIDED: "yellow"}
    command = Column("command", overflow="fold")
    table = Table(command, "verdict", "reason", "status", "ms", box=None, pad_edge=False)
    for column in table.columns[3:]:
        column.justify = "right"
    for outcome, expected in rows:
        answer = outcome.decision.answer
        verdict = Text(answer.verdict.value, style=colours[answer.verdict])
        if expected and expected is not answer.verdict:
            verdict.append(f", expected {expected.value}", style="bold")
        table.add_row(
            Text(masked_command(outcome)),
            verdict,
            Text(f"{answer.reason}: {answer.detail}" if answer.detail else answer.reason),
            str(outcome.decision.status or ""),
            f"{outcome.seconds * 1000:.1f}",
        )
    return table
