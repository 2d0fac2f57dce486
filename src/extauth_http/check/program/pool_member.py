"""One pool member: a program started as ejabberd starts it, its streams and its end.

Erlang's ``open_port({spawn, CommandLine}, [{packet, 2}])`` runs ``/bin/sh -c 'exec COMMAND_LINE'``.
No method here waits longer than its argument says, whatever the program does. At the end no
process that it started remains.
"""

import contextlib
import os
import select
import signal
import subprocess
import time
from types import TracebackType
from typing import Self

from extauth_http.check.account import Account
from extauth_http.check.program.child_processes import (
    child_processes,
    end_child_processes,
    set_child_subreaper,
)

MAX_OUTPUT = 4096
"""Bytes of each output that are kept."""

MAX_LINES, MAX_LINE_LENGTH = 5, 300
"""Lines of standard error in a finding, and characters of each."""

MAX_SHOWN_OUTPUT = 60
"""Bytes of standard output in a finding."""

KILL_TIMEOUT = 3.0
"""Seconds to wait for a killed process."""


class PoolMember:
    """A running program; use it as a context manager.

    ``output`` has the unread bytes of standard output. ``is_closed`` says whether the program has
    closed it. Raises OSError or ValueError if the program cannot be started.
    """

    def __init__(self, command_line: str, account: Account) -> None:
        self._other_children = child_processes()
        set_child_subreaper(True)
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {command_line}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd="/",
            env=account.environment,
            start_new_session=True,
            **account.identity,
        )
        assert self._process.stdin  # noqa: S101 - PIPE guarantees it
        assert self._process.stdout  # noqa: S101
        assert self._process.stderr  # noqa: S101
        self._input = self._process.stdin
        self._streams = [self._process.stdout, self._process.stderr]
        os.set_blocking(self._input.fileno(), False)
        self.output = b""
        self.is_closed = False
        self._errors = b""
        self._knows_password = False

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
        # A process that has changed its account (sudo) cannot be killed; its input is closed.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(KILL_TIMEOUT)
        self.end_descendants()
        set_child_subreaper(False)
        for stream in (self._process.stdout, self._process.stderr):
            if stream:
                stream.close()

    def write(self, data: bytes, due: float) -> bool:
        """Whether the program accepts all data until ``due``, a time of ``time.monotonic()``."""
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
        """Waits until the program writes something, or ``seconds`` have passed, and reads it."""
        ready, _, _ = select.select(self._streams, [], [], max(0.0, seconds))
        for stream in ready:
            data = os.read(stream.fileno(), 65536)
            if not data:
                self._streams.remove(stream)
            if stream is self._process.stdout:
                self.output = (self.output + data)[:MAX_OUTPUT]
                self.is_closed = self.is_closed or not data
            elif not self._knows_password:
                self._errors = (self._errors + data)[-MAX_OUTPUT:]
        if not ready and not self._streams:
            time.sleep(min(seconds, 0.05))

    def exit_code(self, seconds: float = 0.0) -> int | None:
        """The exit code; None if the program still runs after ``seconds``."""
        due = time.monotonic() + seconds
        while self._process.poll() is None and time.monotonic() < due:
            self.read(min(0.01, due - time.monotonic()))
        return self._process.returncode

    def close_input(self) -> None:
        self._input.close()

    def hide_output(self) -> None:
        """Call this before the program gets a real password: it could write it in any form. From
        now on, nothing that it writes is kept for a finding."""
        self.read(0.0)
        self._knows_password = True

    def error_lines(self) -> tuple[str, ...]:
        """The last lines that it wrote to standard error, before ``hide_output``."""
        text = self._errors.decode(errors="replace")
        lines = [line[:MAX_LINE_LENGTH] for line in text.splitlines() if line.strip()]
        return tuple(lines[-MAX_LINES:])

    def describe(self, output: bytes) -> str:
        """Some bytes of its output as text for a finding."""
        if self._knows_password:
            return f"{len(output)} bytes (not shown)"
        return repr(output[:MAX_SHOWN_OUTPUT])[1:]

    def end_descendants(self) -> int:
        """Ends the processes that the program has left behind. Returns how many there were."""
        return end_child_processes(except_for=self._other_children | {self._process.pid})
