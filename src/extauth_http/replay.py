"""Commands by hand: replay files, framed or text, and how their outcomes are shown.

A text file holds one command a line, as in a packet: ``operation:user:host[:password]``. Empty
lines and lines that begin with ``#`` are passed over. A line may end in what is expected:
``=> allow``, ``=> deny`` or ``=> undecided``.
"""

import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from extauth_http.command import Operation
from extauth_http.port import Outcome, Port
from extauth_http.protocol import PacketReader, frame, reply
from extauth_http.verdict import Verdict

if TYPE_CHECKING:
    from rich.table import Table

_EXPECTATION = re.compile(r"\s+=>\s*(allow|deny|undecided)\s*$")
_FRAMED = tuple(f"{operation.value}:".encode() for operation in Operation)


@dataclass(frozen=True, slots=True)
class Line:
    """One command of a text file; ``expected`` is None where the line does not say."""

    packet: bytes
    expected: Verdict | None


def parse_line(line: str) -> Line | None:
    """The command in a line, or None where it holds none."""
    text = line.strip("\r\n")
    if not text.strip() or text.lstrip().startswith("#"):
        return None
    found = _EXPECTATION.search(text)
    command = text[: found.start()] if found else text
    return Line(command.lstrip().encode(), Verdict(found[1]) if found else None)


def is_text(beginning: bytes) -> bool:
    """Whether a stream is text: framed, its third byte would begin an operation, or its first
    would be the high byte of a length too small to be a letter."""
    return beginning[:1] > b"\x08" and not beginning[2:].startswith(_FRAMED)


class TextReader:
    """Cuts a replay file into packets, like ``PacketReader`` does a stream of them."""

    def __init__(self) -> None:
        self._buffer = b""
        self._lines: list[Line] = []
        self.expected: Verdict | None = None
        """What the line of the last packet expects."""

    def feed(self, data: bytes) -> None:
        *whole, self._buffer = (self._buffer + data).split(b"\n") if data else (self._buffer, b"")
        for raw in whole:
            line = parse_line(raw.decode(errors="surrogateescape"))
            if line:
                self._lines.append(line)

    def next_packet(self) -> bytes | None:
        if not self._lines:
            return None
        line = self._lines.pop(0)
        self.expected = line.expected
        return line.packet

    # A person's file is answered to its end: the last command gets all of its time.
    has_packet = True
    leftover = 0


class ByHand:
    """The reader and encoder of debug mode: framed in, framed out; text in, a line out."""

    def __init__(self) -> None:
        self._reader: PacketReader | TextReader = PacketReader()
        self._is_new = True

    def feed(self, data: bytes) -> None:
        if self._is_new and data:
            self._is_new = False
            if is_text(data):
                self._reader = TextReader()
        self._reader.feed(data)

    def next_packet(self) -> bytes | None:
        return self._reader.next_packet()

    @property
    def has_packet(self) -> bool:
        return self._reader.has_packet

    @property
    def leftover(self) -> int:
        return self._reader.leftover

    @property
    def expected(self) -> Verdict | None:
        """What the line of the last packet expects."""
        return self._reader.expected if isinstance(self._reader, TextReader) else None

    def encode(self, outcome: Outcome) -> bytes:
        if isinstance(self._reader, TextReader):
            return (sentence(outcome, self.expected) + "\n").encode(errors="replace")
        return reply(outcome.decision.answer.verdict, outcome.operation, outcome.dialect)


def sentence(outcome: Outcome, expected: Verdict | None) -> str:
    """An outcome in one line, without the password."""
    answer = outcome.decision.answer
    why = [answer.reason]
    if outcome.decision.status is not None:
        why.append(f"status {outcome.decision.status}")
    why.append(f"{outcome.seconds * 1000:.1f} ms")
    if answer.detail:
        why.append(answer.detail)
    line = f"{answer.verdict.name:<9}  {shown(outcome)}  ({', '.join(why)})"
    if expected and expected is not answer.verdict:
        line += f"  NOT AS EXPECTED: {expected.value}"
    return line


def shown(outcome: Outcome) -> str:
    """The command of an outcome, its password masked."""
    command = outcome.command
    if command is None:
        what = outcome.operation.value if outcome.operation else "no operation"
        return f"no command: {outcome.size} bytes, {what}"
    name = f"{command.operation.value}:{command.user}:{command.host}"
    return f"{name}:********" if command.operation.has_credential else name


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

    from extauth_http.logs import Log
    from extauth_http.reload import Live
    from extauth_http.settings import BadSettings, config_file, load
    from extauth_http.watch import Watch

    try:
        load(config_file(config))
    except BadSettings as bad:
        for problem in bad.problems:
            print(f"extauth-http: {problem}", file=sys.stderr)
        return 2
    log = Log(by_hand="debug" if debug else "error")
    live = Live(config, log)
    watch = Watch(on_hangup=live.reload_aside)
    reader = ByHand()
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
    live.reload_aside()
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
            Text(shown(outcome)),
            verdict,
            Text(f"{answer.reason}: {answer.detail}" if answer.detail else answer.reason),
            str(outcome.decision.status or ""),
            f"{outcome.seconds * 1000:.1f}",
        )
    return table
