"""The child processes of this process, and how to end them (Linux)."""

import contextlib
import ctypes
import os
import signal
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
MAX_ROUNDS = 100
"""A process may start another one while it is being killed."""


def set_child_subreaper(enabled: bool) -> None:
    """Makes orphans of processes started here children of this process instead of init."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, int(enabled), 0, 0, 0)


def child_processes() -> set[int]:
    """The ids of all children of this process, whichever thread started them."""
    found: set[int] = set()
    for file in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found |= set(map(int, file.read_text().split()))
    return found


def end_child_processes(*, except_for: set[int]) -> int:
    """Kills the other children of this process. Returns how many of them were still running."""
    count = 0
    kept = set(except_for)
    for _ in range(MAX_ROUNDS):
        remaining = child_processes() - kept
        if not remaining:
            break
        for pid in remaining:
            try:
                os.kill(pid, signal.SIGKILL)
                _, status = os.waitpid(pid, 0)
            except PermissionError:
                kept.add(pid)
            except (ProcessLookupError, ChildProcessError):
                continue
            else:
                count += os.WIFSIGNALED(status)
    return count
