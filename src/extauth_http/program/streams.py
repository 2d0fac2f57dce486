"""TODO."""

import os
import sys
import threading


def take_streams() -> tuple[int, int]:
    """Standard input and output for the port alone: whatever else prints, prints to standard
    error from now on, and whatever else reads finds nothing."""
    _open_streams()
    source, sink = os.dup(0), os.dup(1)
    quiet_streams()
    return source, sink


def quiet_streams() -> None:
    """Standard input is empty, what prints to standard output prints to standard error, and an
    exception that nobody catches prints nothing."""
    _open_streams()
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    # What Python prints of an exception that nobody catches quotes its text.
    threading.excepthook = lambda _: None
    sys.unraisablehook = lambda _: None


def _open_streams() -> None:
    """Whoever starts the program with one of them closed would have a socket take its number."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
