"""TODO."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from extauth_http.program.outcome import Outcome
from extauth_http.protocol.command import Operation
from extauth_http.protocol.packets import PacketReader
from extauth_http.protocol.replies import reply
from extauth_http.protocol.verdict import Verdict

if TYPE_CHECKING:
    pass


_EXPECTATION = re.compile(r"\s+=>\s*(allow|deny|undecided)\s*$")
_FRAMED = tuple(f"{operation.value}:".encode() for operation in Operation)


@dataclass(frozen=True, slots=True)
class ReplayLine:
    """One command of a text file; ``expected`` is None where the line does not say."""

    packet: bytes
    expected: Verdict | None


def parse_line(line: str) -> ReplayLine | None:
    """The command in a line, or None where it holds none."""
    text = line.strip("\r\n")
    if not text.strip() or text.lstrip().startswith("#"):
        return None
    found = _EXPECTATION.search(text)
    command = text[: found.start()] if found else text
    return ReplayLine(command.lstrip().encode(), Verdict(found[1]) if found else None)


def is_text(beginning: bytes) -> bool:
    """Whether a stream is text: framed, its third byte would begin an operation, or its first
    would be the high byte of a length too small to be a letter."""
    return beginning[:1] > b"\x08" and not beginning[2:].startswith(_FRAMED)


class TextReader:
    """Cuts a replay file into packets, like ``PacketReader`` does a stream of them."""

    def __init__(self) -> None:
        self._buffer = b""
        self._lines: list[ReplayLine] = []
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


class DebugStream:
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
