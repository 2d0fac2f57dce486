"""A log file shared by several processes. Writing never raises and never waits for long.

``LogFile.write`` waits at most ``LOCK_SECONDS`` for another thread that hangs in a write. A file
that was renamed (rotated) is opened again under its name at the next line. If the file cannot be
written, lines go to standard error. If no one reads standard error, lines are lost.
"""

import errno
import os
import select
import stat
import threading
import time
from pathlib import Path

RETRY_SECONDS = 1.0
"""Time between two attempts to open a file that cannot be opened."""

LOCK_SECONDS = 0.2
"""Time that a line waits for the line before it. A disk that hangs holds one thread and no more."""


class LogFile:
    """A file to append to. None means standard error. Safe to use from several threads."""

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self._stderr = StandardError()
        self._descriptor: int | None = None
        self._identity: tuple[int, int] | None = None
        self._next_try = 0.0
        self._is_line_cut = False
        self._has_failed = False
        self._lock = threading.Lock()
        self._is_hanging = False

    def write(self, line: bytes) -> None:
        """Appends a line that ends with a line feed. Loses it if an earlier write hangs."""
        if not self._lock.acquire(timeout=0 if self._is_hanging else LOCK_SECONDS):
            self._is_hanging = True
            return
        try:
            self._is_hanging = False
            self._write(line)
        finally:
            self._lock.release()

    def _write(self, line: bytes) -> None:
        if self.file is None:
            self._stderr.write(line)
            return
        try:
            self._append(self.file, line)
        except OSError as error:
            self._stderr.write(line)
            if not self._has_failed:
                text = f"log file {self.file}: {error.strerror}; the log goes to standard error\n"
                self._stderr.write(text.encode())
            self._has_failed = True
        else:
            self._has_failed = False

    def _append(self, file: Path, line: bytes) -> None:
        descriptor = self._open_descriptor(file)
        # A full disk may have cut the last line off. This line must not continue it.
        data = b"\n" + line if self._is_line_cut else line
        self._is_line_cut = os.write(descriptor, data) != len(data)

    def _open_descriptor(self, file: Path) -> int:
        if self._descriptor is not None:
            try:
                found = file.lstat()
            except OSError:
                found = None
            if found and (found.st_dev, found.st_ino) == self._identity:
                return self._descriptor
        now = time.monotonic()
        if self._descriptor is None and now < self._next_try:
            raise OSError(0, "cannot be opened")
        self._next_try = now + RETRY_SECONDS
        self._close_descriptor()
        self._descriptor = _open_for_append(file)
        opened = os.fstat(self._descriptor)
        self._identity = (opened.st_dev, opened.st_ino)
        return self._descriptor

    def is_terminal(self) -> bool:
        """Returns whether lines go to a terminal."""
        return self.file is None and os.isatty(2)

    def close(self) -> None:
        """Closes the file, unless a thread hangs in it."""
        if self._lock.acquire(timeout=LOCK_SECONDS):
            try:
                self._close_descriptor()
            finally:
                self._lock.release()

    def _close_descriptor(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __del__(self) -> None:
        self._close_descriptor()


def _open_for_append(file: Path) -> int:
    """Opens a log file. A symbolic link is not followed: an account that may write to the folder
    could let this process write to any file."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
    try:
        return os.open(file, flags, 0o640)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "is a symbolic link, which is not followed") from None
        raise


class StandardError:
    """Standard error, written without waiting for its reader.

    It is often shared with ejabberd, so it must stay blocking. A pipe or a terminal is opened a
    second time, non-blocking. For anything else a line is lost while ``poll`` reports no room.
    """

    def __init__(self) -> None:
        self._descriptor = 2
        try:
            kind = os.fstat(2).st_mode
            if stat.S_ISFIFO(kind) or stat.S_ISCHR(kind):
                self._descriptor = os.open(
                    "/proc/self/fd/2", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
                )
        except OSError:
            pass
        self._poll = select.poll()
        self._poll.register(self._descriptor, select.POLLOUT)

    def write(self, line: bytes) -> None:
        """Writes a line, or loses it if there is no room."""
        try:
            if any(event & select.POLLOUT for _, event in self._poll.poll(0)):
                os.write(self._descriptor, line)
        except OSError:
            pass

    def __del__(self) -> None:
        if self._descriptor != 2:
            os.close(self._descriptor)
