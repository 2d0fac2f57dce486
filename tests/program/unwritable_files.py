"""Log files that cannot be written, each for another reason."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path


def unreachable(folder: Path) -> Path:
    """A folder instead of a file. Not even root can write to it."""
    place = folder / "folder"
    place.mkdir()
    return place


def readerless(folder: Path) -> Path:
    """A named pipe without a reader."""
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    return pipe


def unread(folder: Path) -> Path:
    """A named pipe that is full, with a reader that never reads."""
    pipe = readerless(folder)
    os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"a line\n" * 1000)
    os.close(writer)
    return pipe


UNWRITABLE_FILES: dict[str, Callable[[Path], Path]] = {
    "a full disk": lambda _: Path("/dev/full"),
    "a folder that does not exist": lambda folder: folder / "absent" / "log",
    "a folder in its place": unreachable,
    "a pipe that is never read": unread,
    "a pipe without a reader": readerless,
}
"""By name: creates the file in a folder and returns its path."""
