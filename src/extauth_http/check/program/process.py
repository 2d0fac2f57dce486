"""One pool member: a program as ejabberd starts it, what it says, and its end.

``open_port({spawn, Line}, [{packet, 2}])`` is ``/bin/sh -c 'exec LINE'``. Nothing here waits
longer than it says, whatever the program does, and nothing that it started is left behind.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from extauth_http.check.account import Account

MAX_KEPT = 4096
"""Bytes of an output that are kept, however much comes."""

PATIENCE = 3.0
"""Seconds that a killed process is waited for."""

SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER, prctl(2)


class Member:
    """From ``with`` to its end.

    ``output`` is what came on standard output and was not taken yet; ``is_closed`` says whether
    that was closed. Of standard error the last 4 KiB are kept, and nothing from ``hush()`` on.
    """

    def __init__(self, line: str, account: Account) -> None:
        self._others = children()
        _adopt(True)
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {line}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd="/",
            env=account.environment,
            start_new_session=True,
            **account.identity,
        )
        assert self._process.stdin  # noqa: S101 - that is what PIPE gives
        assert self._process.stdout  # noqa: S101
        assert self._process.stderr  # noqa: S101
        self._input = self._process.stdin
        self._streams = [self._process.stdout, self._process.stderr]
        os.set_blocking(self._input.fileno(), False)
        self.output = b""
        self.is_closed = False
        self._errors = b""
        self._is_hushed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._input.close()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        # One that became somebody else (sudo) cannot be killed; it has lost its input.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE)
        self.end_what_is_left()
        _adopt(False)
        for stream in (self._process.stdout, self._process.stderr):
            if stream:
                stream.close()

    def write(self, data: bytes, due: float) -> bool:
        """Whether it took all of this before ``due``, a time of ``time.monotonic()``."""
        while data:
            self.read(0.0)
            try:
                data = data[os.write(self._input.fileno(), data) :]
            except BlockingIOError:
                if time.monotonic() > due:
                    return False
                self.read(0.05)
            except BrokenPipeError:
                return False
        return True

    def read(self, seconds: float) -> None:
        """Takes in what comes within the time, as soon as anything comes."""
        ready, _, _ = select.select(self._streams, [], [], max(0.0, seconds))
        for stream in ready:
            data = os.read(stream.fileno(), 65536)
            if not data:
                self._streams.remove(stream)
            if stream is self._process.stdout:
                self.output = (self.output + data)[:MAX_KEPT]
                self.is_closed = self.is_closed or not data
            elif not self._is_hushed:
                self._errors = (self._errors + data)[-MAX_KEPT:]
        if not ready and not self._streams:
            time.sleep(min(seconds, 0.05))

    def exit_code(self, seconds: float = 0.0) -> int | None:
        """The exit code, None where it still runs after so long."""
        due = time.monotonic() + seconds
        while self._process.poll() is None and time.monotonic() < due:
            self.read(min(0.01, due - time.monotonic()))
        return self._process.returncode

    def close_input(self) -> None:
        self._input.close()

    def hush(self) -> None:
        """From here on it knows a password, and could write it in any form: nothing of what it
        writes is kept to be shown."""
        self.read(0.0)
        self._is_hushed = True

    def complaints(self) -> tuple[str, ...]:
        """The last lines that it wrote to standard error."""
        text = self._errors.decode(errors="replace")
        return tuple(line[:300] for line in text.splitlines() if line.strip())[-5:]

    def shown(self, output: bytes) -> str:
        """Some of its output, for a person to see."""
        return f"{len(output)} bytes (not shown)" if self._is_hushed else repr(output[:60])[1:]

    def end_what_is_left(self) -> int:
        """Ends what the program started and left behind when it ended, and tells how many."""
        return end_children(self._others | {self._process.pid})


def end_children(others: set[int]) -> int:
    """Ends the children of this process but those, and tells how many still ran."""
    count = 0
    others = set(others)
    for _ in range(100):
        left = children() - others
        if not left:
            break
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
                _, status = os.waitpid(pid, 0)
            except PermissionError:
                others.add(pid)
            except (ProcessLookupError, ChildProcessError):
                continue
            else:
                count += os.WIFSIGNALED(status)
    return count


def _adopt(is_on: bool) -> None:
    """Makes orphans of what is started here children of this process, not of init (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(SUBREAPER, int(is_on), 0, 0, 0)


def children() -> set[int]:
    """The children of this process, those of other threads of it too."""
    found: set[int] = set()
    for file in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found |= set(map(int, file.read_text().split()))
    return found
