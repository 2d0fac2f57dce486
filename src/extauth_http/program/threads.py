"""Threads that may hang: run a call with a timeout, and interrupt a thread from outside."""

import contextlib
import ctypes
import threading
from collections.abc import Callable


class ThreadInterruptedError(BaseException):
    """Raised in a thread by ``interrupt``. No handler for ordinary errors catches it."""


class WatchedThread(threading.Thread):
    """A daemon thread that calls ``on_end`` after its last step, however it ends.

    ``error`` is the type of the exception that has ended it. The exception itself is dropped: its
    text and traceback may hold a password.
    """

    def __init__(self, name: str, target: Callable[[], None], on_end: Callable[[], None]) -> None:
        super().__init__(name=name, daemon=True)
        self._call = target
        self._on_end = on_end
        self.error = ""
        self.is_over = False

    def run(self) -> None:
        try:
            self._call()
        except BaseException as error:  # noqa: BLE001 - it is reported, and the thread ends anyway
            self.error = type(error).__name__
        finally:
            self.is_over = True
            self._on_end()


def run_with_timeout(call: Callable[[], object], seconds: float) -> None:
    """Runs a call in a daemon thread and waits at most ``seconds`` for its end.

    Ignores every exception of the call. Does nothing if the system cannot start a thread.
    """
    thread = _daemon(call, "timeout")
    with contextlib.suppress(RuntimeError, MemoryError):
        thread.start()
        thread.join(seconds)


def run_in_background(call: Callable[[], object], name: str) -> None:
    """Runs a call in a daemon thread, or in this one if the system cannot start a thread.

    Ignores every exception of the call.
    """
    thread = _daemon(call, name)
    try:
        thread.start()
    except (RuntimeError, MemoryError):
        thread.run()


def _daemon(call: Callable[[], object], name: str) -> threading.Thread:
    def quiet() -> None:
        with contextlib.suppress(BaseException):
            call()

    return threading.Thread(target=quiet, name=name, daemon=True)


def interrupt(thread: threading.Thread) -> None:
    """Raises ``ThreadInterruptedError`` in a thread at its next Python instruction.

    A thread that waits in C code continues until that code returns. Does nothing to a thread that
    has ended: the system may have given its identifier to another thread.
    """
    if thread.ident is not None and thread.is_alive():
        _set_exception(thread.ident, ctypes.py_object(ThreadInterruptedError))


def clear_interrupt() -> None:
    """Removes an interrupt that was sent to this thread and has not been raised yet."""
    _set_exception(threading.get_ident(), None)


def _set_exception(ident: int, error: "ctypes.py_object[type[BaseException]] | None") -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), error)
