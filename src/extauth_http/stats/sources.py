"""Where ``stats`` reads: files, compressed or not, pipes, and a log that grows and is rotated.

Bytes → lines. This file does not know what is in a line.
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
"""A longer line is none of ours: a packet holds 64 KiB. It is passed on as one that is no JSON."""

BEGINNING_BYTES = 1 << 16
"""In which the first event of a file is looked for."""

LOOK_SECONDS = 0.2
"""Between two looks at a file that grows."""

_GZIP = b"\x1f\x8b"
_TIME = re.compile(rb'"time": ?"([0-9T:.-]+)Z"')
_LAST = "~"
"""Above all times."""


class Lines:
    """Cuts blocks into lines, of which none longer than ``MAX_LINE_BYTES`` is kept."""

    def __init__(self) -> None:
        self._rest = b""
        self._is_too_long = False

    def feed(self, block: bytes) -> list[bytes]:
        """The lines that end in this block."""
        if not block:
            return []
        *lines, self._rest = (self._rest + block).split(b"\n")
        if self._is_too_long and lines:
            lines[0], self._is_too_long = b"(too long)", False
        if len(self._rest) > MAX_LINE_BYTES or self._is_too_long:
            self._rest, self._is_too_long = b"(too long)", True
        return lines

    def end(self) -> list[bytes]:
        """What is left: a line without an end."""
        rest, self._rest = self._rest, b""
        return [rest] if rest else []


def is_compressed(opened: BinaryIO) -> bool:
    """By what it begins with, not by its name; nothing is taken from what is to be read."""
    return isinstance(opened, io.BufferedReader) and opened.peek(2)[:2] == _GZIP


def read(
    source: BinaryIO, take: Callable[[bytes], None], progress: Callable[[int], None]
) -> str | None:
    """Reads a log to its end, compressed or not; what cut it short, if anything did."""
    compressed = is_compressed(source)
    data: Any = gzip.GzipFile(fileobj=source) if compressed else source
    lines = Lines()
    position = 0
    trouble = None
    try:
        while block := data.read1(BLOCK_BYTES):
            for line in lines.feed(block):
                take(line)
            position = source.tell() if compressed and source.seekable() else position + len(block)
            progress(position)
    except (EOFError, OSError, zlib.error) as error:
        trouble = str(error)
    for line in lines.end():
        take(line)
    return trouble


def in_order(files: Iterable[Path]) -> list[Path]:
    """The oldest first, by the first event of each; pipes come last, as what they hold can be read
    only once. Raises OSError where one cannot be read."""
    return sorted(files, key=_first_time)


def _first_time(file: Path) -> str:
    # The log's times are all UTC and of one form, so they can be compared as they are.
    if not stat.S_ISREG(file.stat().st_mode):
        return _LAST
    with file.open("rb") as opened:
        data: Any = gzip.GzipFile(fileobj=opened) if is_compressed(opened) else opened
        beginning = b""
        with contextlib.suppress(EOFError, zlib.error, gzip.BadGzipFile):  # as far as it goes
            while len(beginning) < BEGINNING_BYTES and (block := data.read1(BEGINNING_BYTES)):
                beginning += block
    found = _TIME.search(beginning)
    return found[1].decode() if found else ""


def followed(file: Path) -> Iterator[bytes]:
    """The blocks of a file as it grows, beyond a rotation by renaming or by truncating; an empty
    one where there is no more for now. Raises OSError where it cannot be opened at first."""
    opened = file.open("rb", buffering=0)
    try:
        while True:
            while block := opened.read(BLOCK_BYTES):
                yield block
            yield b""
            time.sleep(LOOK_SECONDS)
            here = os.fstat(opened.fileno())
            with contextlib.suppress(OSError):
                there = file.stat()
                if (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino):
                    new = file.open("rb", buffering=0)
                    while block := opened.read(BLOCK_BYTES):
                        yield block
                    opened.close()
                    opened = new
                    # What was cut off at the end of the old one must not run into the new one.
                    yield b"\n"
            if here.st_size < opened.tell():
                opened.seek(0)
                yield b"\n"
    finally:
        opened.close()


def arriving(descriptor: int) -> Iterator[bytes]:
    """The blocks of a pipe as they come; an empty one where there is none for now."""
    while True:
        ready, _, _ = select.select([descriptor], [], [], LOOK_SECONDS)
        if not ready:
            yield b""
        elif block := os.read(descriptor, BLOCK_BYTES):
            yield block
        else:
            return
