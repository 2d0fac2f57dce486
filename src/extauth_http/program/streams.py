"""Standard input and output of the program, which belong to the port alone.

ejabberd takes every byte on standard output for a reply.
"""

import os
import sys
import threading


def take_streams() -> tuple[int, int]:
    """Returns descriptors of standard input and output for the port.

    Afterwards code that prints writes to standard error, and code that reads finds no input.
    """
    _open_streams()
    source, sink = os.dup(0), os.dup(1)
    quiet_streams()
    return source, sink


def quiet_streams() -> None:
    """Makes standard input empty and sends standard output to standard error.

    Uncaught exceptions of threads and of ``__del__`` print nothing.
    """
    _open_streams()
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    # Python would print the text of the exception, which may hold a password.
    threading.excepthook = lambda _: None
    sys.unraisablehook = lambda _: None


def _open_streams() -> None:
    """Opens the standard streams that are closed. A socket would get their number otherwise."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
