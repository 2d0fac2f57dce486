"""The streams of ``--debug``: framed packets or lines of text, with replies in the same form."""

from extauth_http.program.outcome import Outcome, masked_command
from extauth_http.program.replay_line import ReplayLine, parse_line
from extauth_http.protocol.command import Operation
from extauth_http.protocol.packet_parser import PacketReader
from extauth_http.protocol.replies import reply
from extauth_http.protocol.verdict import Verdict
from extauth_http.terminal.printable import printable

_OPERATION_PREFIXES = tuple(f"{operation.value}:".encode() for operation in Operation)


def is_text(beginning: bytes) -> bool:
    """Returns whether a stream is text. ``beginning`` is what the first read returned.

    In a framed stream an operation follows the 2 bytes of the length. A first byte up to 8 is the
    high byte of a length, because no line of text begins with such a control character.
    """
    return beginning[:1] > b"\x08" and not beginning[2:].startswith(_OPERATION_PREFIXES)


class TextReader:
    """Splits a text file of commands into packets. Has the methods of ``PacketReader``."""

    has_packet = True
    """Always true: each command of a file gets its whole deadline, also after end of input."""

    leftover = 0

    def __init__(self) -> None:
        self._buffer = b""
        self._lines: list[ReplayLine] = []
        self.expected: Verdict | None = None
        """The expectation in the line of the last packet."""

    def feed(self, data: bytes) -> None:
        *whole, rest = (self._buffer + data).split(b"\n") if data else (self._buffer, b"")
        parsed = [parse_line(raw.decode(errors="surrogateescape")) for raw in whole]
        self._lines += [line for line in parsed if line]
        self._buffer = rest

    def next_packet(self) -> bytes | None:
        if not self._lines:
            return None
        line = self._lines.pop(0)
        self.expected = line.expected
        return line.packet


class DebugStream:
    """The reader and the encoder of debug mode. The first bytes decide between text and packets."""

    def __init__(self) -> None:
        self._reader: PacketReader | TextReader = PacketReader()
        self._is_new = True

    def feed(self, data: bytes) -> None:
        if self._is_new and data:
            if is_text(data):
                self._reader = TextReader()
            self._is_new = False
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
        """The expectation in the line of the last packet."""
        return self._reader.expected if isinstance(self._reader, TextReader) else None

    def encode(self, outcome: Outcome) -> bytes:
        """Encodes a reply: 4 bytes for a framed packet, one line for a line of text."""
        if isinstance(self._reader, TextReader):
            return (printable(format_outcome(outcome, self.expected)) + "\n").encode()
        return reply(outcome.decision.answer.verdict, outcome.operation, outcome.dialect)


def format_outcome(outcome: Outcome, expected: Verdict | None) -> str:
    """Formats an outcome as one line, with the password masked."""
    answer = outcome.decision.answer
    notes = [answer.reason]
    if outcome.decision.status is not None:
        notes.append(f"status {outcome.decision.status}")
    if outcome.decision.link:
        notes.append(f"link {outcome.decision.link}")
    if outcome.decision.service:
        notes.append(outcome.decision.service)
    notes.append(f"{outcome.seconds * 1000:.1f} ms")
    if answer.detail:
        notes.append(answer.detail)
    line = f"{answer.verdict.name:<9}  {masked_command(outcome)}  ({', '.join(notes)})"
    if expected and expected is not answer.verdict:
        line += f"  NOT AS EXPECTED: {expected.value}"
    return line
