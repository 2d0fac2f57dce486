"""Standard output whose reader has gone, as in ``extauth-http stats | head``."""

import os


def discard_stdout() -> None:
    """Points file descriptor 1 to ``/dev/null``.

    Call it after a BrokenPipeError. Otherwise Python's flush at exit fails again and prints a
    message (https://docs.python.org/3/library/signal.html#note-on-sigpipe).
    """
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    if null != 1:
        os.close(null)
