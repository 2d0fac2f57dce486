"""ejabberd's external authentication protocol, without I/O: packets ⇄ commands, verdicts → bytes.

This file does not know what a file descriptor, a service or a setting is.

A packet is a 2-byte big-endian length and that many bytes (an Erlang port with ``{packet, 2}``):
``operation:user:host[:password]`` in UTF-8. Only the first three colons separate; a password may
hold more of them. The reply is ``00 02`` and a 2-byte number. Source: ejabberd's ``extauth.erl``.
"""

import re
from collections.abc import Iterator

from extauth_http.protocol.command import Command, Operation

MAX_PACKET = 0xFFFF
"""Bytes that a 2-byte length can announce."""


class MalformedPacketError(Exception):
    """A packet that is no command: answered with DENY, and the stream goes on.

    ``reason`` is a stable word; ``operation`` is known where the packet got that far. The bytes
    themselves are not kept: in a stream that is out of step anything may be a password.
    """

    def __init__(self, reason: str, operation: Operation | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.operation = operation


class PacketReader:
    """Cuts a byte stream into packets, wherever its reads happen to end."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def next_packet(self) -> bytes | None:
        """The next whole packet without its length, or None until more bytes are fed."""
        if not self.has_packet:
            return None
        buffer = self._buffer
        end = 2 + int.from_bytes(buffer[:2])
        packet = bytes(buffer[2:end])
        del buffer[:end]
        return packet

    @property
    def has_packet(self) -> bool:
        """Whether another whole packet waits."""
        return len(self._buffer) >= 2 and len(self._buffer) >= 2 + int.from_bytes(self._buffer[:2])

    @property
    def leftover(self) -> int:
        """Bytes of a packet that is not whole yet; at end of input, of one that never will be."""
        return len(self._buffer)


def parse(packet: bytes) -> Command:
    """The command in a packet.

    Raises Malformed with one of ``empty_packet``, ``not_utf8``, ``control_character``,
    ``unknown_operation``, ``too_few_fields``, ``too_many_fields``, ``empty_name``,
    ``upper_case``: each of them something that ejabberd never sends.
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
    """The packet that ejabberd would send for a command, length included.

    Raises ValueError where it does not fit into 65,535 bytes.
    """
    fields = [command.operation.value, command.user, command.host]
    if command.operation.has_credential:
        fields.append(command.password)
    return frame(":".join(fields).encode())


def frame(payload: bytes) -> bytes:
    """A payload with its 2-byte length before it. Raises ValueError over 65,535 bytes."""
    if len(payload) > MAX_PACKET:
        raise ValueError(f"a packet holds {MAX_PACKET} bytes at most, this one has {len(payload)}")
    return len(payload).to_bytes(2) + payload


def packets(data: bytes) -> Iterator[bytes]:
    """The whole packets at the beginning of ``data``."""
    reader = PacketReader()
    reader.feed(data)
    while (found := reader.next_packet()) is not None:
        yield found
