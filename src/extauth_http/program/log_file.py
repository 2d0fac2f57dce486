"""TODO."""

import os
import select
import stat
import threading
import time
from pathlib import Path

RETRY_SECONDS = 1.0
"""How often opening a log file that cannot be opened is tried again."""

PATIENCE_SECONDS = 0.2
"""How long a line waits for the one before it. A disk that hangs holds one thread, not each."""


class LogFile:
    """A file that is appended to, or standard error where there is none or it fails."""

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self._stderr = StandardError()
        self._descriptor: int | None = None
        self._identity: tuple[int, int] | None = None
        self._next_try = 0.0
        self._is_cut = False
        self._lost = 0
        self._lock = threading.Lock()
        self._hangs = False

    def write(self, line: bytes) -> None:
        if not self._lock.acquire(timeout=0 if self._hangs else PATIENCE_SECONDS):
            self._hangs = True
            return
        try:
            self._hangs = False
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
            if not self._lost:
                text = f"log file {self.file}: {error.strerror}; the log goes to standard error\n"
                self._stderr.write(text.encode())
            self._lost += 1
        else:
            self._lost = 0

    def _append(self, file: Path, line: bytes) -> None:
        descriptor = self._current(file)
        # What is left of a line that was cut off by a full disk must not run into this one.
        data = b"\n" + line if self._is_cut else line
        self._is_cut = os.write(descriptor, data) != len(data)

    def _current(self, file: Path) -> int:
        if self._descriptor is not None:
            try:
                found = file.stat()
            except OSError:
                found = None
            if found and (found.st_dev, found.st_ino) == self._identity:
                return self._descriptor
        now = time.monotonic()
        if self._descriptor is None and now < self._next_try:
            raise OSError(0, "cannot be opened")
        self._next_try = now + RETRY_SECONDS
        self._let_go()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
        self._descriptor = os.open(file, flags, 0o640)
        opened = os.fstat(self._descriptor)
        self._identity = (opened.st_dev, opened.st_ino)
        return self._descriptor

    def is_terminal(self) -> bool:
        return self.file is None and os.isatty(2)

    def close(self) -> None:
        """Closes the file; where it hangs, whoever hangs in it keeps it."""
        if self._lock.acquire(timeout=PATIENCE_SECONDS):
            try:
                self._let_go()
            finally:
                self._lock.release()

    def _let_go(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __del__(self) -> None:
        self._let_go()


class StandardError:
    """Standard error, without ever waiting for who reads it.

    It is often shared with ejabberd, so it cannot simply be made non-blocking: a pipe or terminal
    is opened once more for that; for anything else a line is dropped while there is no room.
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
        try:
            if any(event & select.POLLOUT for _, event in self._poll.poll(0)):
                os.write(self._descriptor, line)
        except OSError:
            pass

    def __del__(self) -> None:
        if self._descriptor != 2:
            os.close(self._descriptor)
