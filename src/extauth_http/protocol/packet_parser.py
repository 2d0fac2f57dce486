"""Packets of ejabberd's external authentication protocol: splitting, parsing, encoding.

A packet is a 2-byte big-endian length and that many bytes of UTF-8:
``operation:user:host[:password]``. Only the first three colons separate fields, so a password may
contain colons. Source: ejabberd's ``extauth.erl``, which opens an Erlang port with ``{packet, 2}``.
"""

import re
from collections.abc import Iterator

from extauth_http.protocol.command import Command, Operation

MAX_PACKET = 0xFFFF
"""The largest number of bytes that a 2-byte length can announce."""


class MalformedPacketError(Exception):
    """A packet that ejabberd never sends. It is answered with DENY, and the stream goes on.

    ``reason`` is a stable word. ``operation`` is None if the packet does not name one. The bytes
    are not kept: after a lost byte any field may hold a password.
    """

    def __init__(self, reason: str, operation: Operation | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.operation = operation


class PacketReader:
    """Splits a byte stream into packets. A read may end anywhere in a packet."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Adds the bytes of one read."""
        self._buffer += data

    def next_packet(self) -> bytes | None:
        """Returns the next packet without its length, or None if it is not complete."""
        if not self.has_packet:
            return None
        buffer = self._buffer
        end = 2 + int.from_bytes(buffer[:2])
        packet = bytes(buffer[2:end])
        del buffer[:end]
        return packet

    @property
    def has_packet(self) -> bool:
        """Whether a complete packet is in the buffer."""
        return len(self._buffer) >= 2 and len(self._buffer) >= 2 + int.from_bytes(self._buffer[:2])

    @property
    def leftover(self) -> int:
        """The number of bytes in the buffer. After the last packet, those of an incomplete one."""
        return len(self._buffer)


def parse(packet: bytes) -> Command:
    """Parses a packet without its length.

    Raises MalformedPacketError with one of the reasons ``empty_packet``, ``not_utf8``,
    ``control_character``, ``unknown_operation``, ``too_few_fields``, ``too_many_fields``,
    ``empty_name`` and ``upper_case``.
    """
    if not packet:
        raise MalformedPacketError("empty_packet")
    try:
        text = packet.decode()
    except UnicodeDecodeError:
        raise MalformedPacketError("not_utf8") from None
    name, _, rest = text.partition(":")
    operation = _OPERATIONS.get(name)
    if operation is None:
        raise MalformedPacketError("unknown_operation")
    fields = rest.split(":", 2 if operation.has_credential else -1)
    expected = 3 if operation.has_credential else 2
    if len(fields) < expected:
        raise MalformedPacketError("too_few_fields", operation)
    if len(fields) > expected:
        raise MalformedPacketError("too_many_fields", operation)
    user, host, *credential = fields
    password = credential[0] if credential else ""
    names = user + host
    if not user or not host:
        raise MalformedPacketError("empty_name", operation)
    if "\0" in password or _CONTROL.search(names):
        raise MalformedPacketError("control_character", operation)
    if _UPPER.search(names):
        raise MalformedPacketError("upper_case", operation)
    return Command(operation, user, host, password)


_OPERATIONS = {operation.value: operation for operation in Operation}
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_UPPER = re.compile("[A-Z]")


def packet(command: Command) -> bytes:
    """Encodes a command as ejabberd does, including the length.

    Raises ValueError if it is longer than 65,535 bytes.
    """
    fields = [command.operation.value, command.user, command.host]
    if command.operation.has_credential:
        fields.append(command.password)
    return frame(":".join(fields).encode())


def frame(payload: bytes) -> bytes:
    """Puts the 2-byte length before a payload. Raises ValueError if it exceeds 65,535 bytes."""
    if len(payload) > MAX_PACKET:
        raise ValueError(f"a packet holds {MAX_PACKET} bytes at most, this one has {len(payload)}")
    return len(payload).to_bytes(2) + payload


def packets(data: bytes) -> Iterator[bytes]:
    """Yields the complete packets at the beginning of ``data``, without their lengths."""
    reader = PacketReader()
    reader.feed(data)
    while (found := reader.next_packet()) is not None:
        yield found
