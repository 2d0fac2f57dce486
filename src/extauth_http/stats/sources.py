"""The input of ``stats``: files, gzip files, pipes, and a growing file that is rotated.

Bytes → lines. This file does not know what a line contains.
"""

import contextlib
import gzip
import io
import os
import re
import select
import stat
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

BLOCK_BYTES = 1 << 20
MAX_LINE_BYTES = 1 << 20
"""A longer line is not from the program, because a packet has at most 64 KiB. ``TOO_LONG``
replaces it."""

TOO_LONG = b"(too long)"
"""Not JSON, so the line is counted as such."""

FIRST_TIME_BYTES = 1 << 16
"""How far into a file to search for the time of its first entry."""

POLL_SECONDS = 0.2
"""The pause before a growing file is read again."""

_GZIP_MAGIC = b"\x1f\x8b"
_TIME = re.compile(rb'"time": ?"([0-9T:.-]+)Z"')
_AFTER_ALL_TIMES = "~"


class LineSplitter:
    """Splits blocks into lines and replaces those above ``MAX_LINE_BYTES``."""

    def __init__(self) -> None:
        self._rest = b""
        self._is_too_long = False

    def feed(self, block: bytes) -> list[bytes]:
        """The lines that end in this block."""
        if not block:
            return []
        *lines, self._rest = (self._rest + block).split(b"\n")
        if self._is_too_long and lines:
            lines[0], self._is_too_long = TOO_LONG, False
        if len(self._rest) > MAX_LINE_BYTES or self._is_too_long:
            self._rest, self._is_too_long = TOO_LONG, True
        return lines

    def end(self) -> list[bytes]:
        """The last line if it has no line end."""
        rest, self._rest = self._rest, b""
        return [rest] if rest else []


def is_gzip(opened: BinaryIO) -> bool:
    """Whether a file begins with the gzip magic number. Does not move its position."""
    return isinstance(opened, io.BufferedReader) and opened.peek(2)[:2] == _GZIP_MAGIC


def read_log(
    source: BinaryIO, on_line: Callable[[bytes], None], on_progress: Callable[[int], None]
) -> str | None:
    """Reads a log to its end. Returns the error if only a part can be read, otherwise None.

    ``on_progress`` gets the number of bytes of the file that were read.
    """
    is_compressed = is_gzip(source)
    data: Any = gzip.GzipFile(fileobj=source) if is_compressed else source
    splitter = LineSplitter()
    position = 0
    error = None
    try:
        while block := data.read1(BLOCK_BYTES):
            for line in splitter.feed(block):
                on_line(line)
            has_position = is_compressed and source.seekable()
            position = source.tell() if has_position else position + len(block)
            on_progress(position)
    except (EOFError, OSError, zlib.error) as failure:
        error = str(failure)
    for line in splitter.end():
        on_line(line)
    return error


def oldest_first(files: Iterable[Path]) -> list[Path]:
    """The files by the time of their first entry. Pipes come last, as they can be read only once.

    Raises OSError if a file cannot be read.
    """
    return sorted(files, key=_first_time)


def _first_time(file: Path) -> str:
    # All times of the log are UTC and have the same form, so they sort as text.
    if not stat.S_ISREG(file.stat().st_mode):
        return _AFTER_ALL_TIMES
    with file.open("rb") as opened:
        data: Any = gzip.GzipFile(fileobj=opened) if is_gzip(opened) else opened
        head = b""
        with contextlib.suppress(EOFError, zlib.error, gzip.BadGzipFile):  # a part is enough
            while len(head) < FIRST_TIME_BYTES and (block := data.read1(FIRST_TIME_BYTES)):
                head += block
    found = _TIME.search(head)
    return found[1].decode() if found else ""


def follow_file(file: Path) -> Iterator[bytes]:
    """The blocks of a growing file, across rotation by renaming or truncating.

    Yields an empty block while there is nothing new. Raises OSError if the file cannot be opened
    at first.
    """
    opened = file.open("rb", buffering=0)
    try:
        while True:
            while block := opened.read(BLOCK_BYTES):
                yield block
            yield b""
            time.sleep(POLL_SECONDS)
            current = os.fstat(opened.fileno())
            with contextlib.suppress(OSError):
                named = file.stat()
                if (named.st_dev, named.st_ino) != (current.st_dev, current.st_ino):
                    new = file.open("rb", buffering=0)
                    while block := opened.read(BLOCK_BYTES):
                        yield block
                    opened.close()
                    opened = new
                    # An incomplete last line of the old file is a line of its own.
                    yield b"\n"
            if current.st_size < opened.tell():
                opened.seek(0)
                yield b"\n"
    finally:
        opened.close()


def follow_pipe(descriptor: int) -> Iterator[bytes]:
    """The blocks of a pipe until its end. Yields an empty block while there is nothing new."""
    while True:
        ready, _, _ = select.select([descriptor], [], [], POLL_SECONDS)
        if not ready:
            yield b""
        elif block := os.read(descriptor, BLOCK_BYTES):
            yield block
        else:
            return
