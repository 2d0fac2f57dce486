"""Fuzzes the packet parser with any bytes, split anywhere.

    make fuzz

Every complete packet must be a command or malformed, and no byte may be lost. The first byte of an
input sets the size of the reads. It also selects the operation with which the rest is tried as a
packet of its own, because random bytes hardly ever contain the name of an operation.
"""

import sys

import atheris

with atheris.instrument_imports(include=["extauth_http"]):
    from extauth_http.protocol.command import Operation
    from extauth_http.protocol.packet_parser import (
        MAX_PACKET,
        MalformedPacketError,
        PacketReader,
        frame,
        packet,
        parse,
    )
    from extauth_http.protocol.replies import Dialect, reply
    from extauth_http.protocol.verdict import Verdict

OPERATIONS = [f"{operation.value}:".encode() for operation in Operation]
REPLIES = {bytes((0, 2, 0, number)) for number in range(3)}


def one_input(data: bytes) -> None:
    """Raises AssertionError if a rule does not hold."""
    piece, stream = (data[0] if data else 0) + 1, data[1:]
    reader = PacketReader()
    found = []
    for start in range(0, len(stream), piece):
        reader.feed(stream[start : start + piece])
        while (payload := reader.next_packet()) is not None:
            found.append(payload)
    framed = b"".join(map(frame, found))
    assert stream.startswith(framed)
    assert reader.leftover == len(stream) - len(framed)
    assert not reader.has_packet
    operation = OPERATIONS[piece % len(OPERATIONS)]
    for payload in (*found, stream, operation + stream):
        if len(payload) <= MAX_PACKET:
            check(payload)


def check(payload: bytes) -> None:
    """Checks the rules for one packet."""
    operation: Operation | None
    try:
        command = parse(payload)
    except MalformedPacketError as malformed:
        operation = malformed.operation
        assert malformed.reason.isidentifier()
    else:
        operation = command.operation
        assert packet(command) == frame(payload)
        assert command.user
        assert command.host
        assert len((command.user + command.host).splitlines()) == 1
    for dialect in Dialect:
        for verdict in Verdict:
            answer = reply(verdict, operation, dialect)
            assert answer in REPLIES
            assert (answer[3] == 1) == (verdict is Verdict.ALLOW)
            assert dialect is Dialect.EJABBERD or answer[3] < 2


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
