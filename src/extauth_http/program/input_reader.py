"""Packets from a file descriptor."""

import os
import select
from typing import Protocol

READ_BYTES = 65_536


class Reader(Protocol):
    """Splits bytes into packets. ``feed(b"")`` means end of input.

    If ``feed`` or ``next_packet`` raises, the reader is unchanged and the call can be repeated.
    """

    def feed(self, data: bytes) -> None: ...
    def next_packet(self) -> bytes | None: ...
    @property
    def has_packet(self) -> bool: ...
    @property
    def leftover(self) -> int: ...


class PacketSource:
    """Reads packets from a file descriptor, one thread after the other.

    A thread may end anywhere in here, for example by a ``MemoryError``. The next thread continues
    and no byte is lost: data and packets are kept until the next step has them. A lost byte would
    shift the packets behind it, so that the text of a password could pass for a packet.
    """

    def __init__(self, descriptor: int, reader: Reader) -> None:
        self._descriptor = descriptor
        self._reader = reader
        self._data: bytes | None = None
        self._packet: bytes | None = None
        self._is_at_end = False

    @property
    def has_packet(self) -> bool:
        """Whether another whole packet has been read."""
        return self._reader.has_packet

    @property
    def leftover(self) -> int:
        """Bytes of a packet that is not whole."""
        return self._reader.leftover

    def next_packet(self) -> bytes | None:
        """Waits for a packet. Returns None at end of input, or if the input is broken.

        Returns the same packet again until ``consume`` is called.
        """
        while self._packet is None:
            self._packet = self._reader.next_packet()
            if self._packet is None and not self._read_more():
                return None
        return self._packet

    def consume(self) -> None:
        """Forgets the packet that ``next_packet`` has returned."""
        self._packet = None

    def _read_more(self) -> bool:
        """Feeds the reader. Returns False if it has had everything."""
        if self._is_at_end:
            return False
        if self._data is None:
            self._data = self._read()
        self._reader.feed(self._data)
        self._is_at_end = not self._data
        self._data = None
        return True

    def _read(self) -> bytes:
        while True:
            try:
                return os.read(self._descriptor, READ_BYTES)
            except BlockingIOError:
                select.select([self._descriptor], [], [])
            except OSError:
                return b""
