"""The rich console of the commands that print tables."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

PIPE_WIDTH = 200
"""Columns if standard output is not a terminal."""


def stdout_console() -> "Console":
    """A console for standard output.

    Its methods raise BrokenPipeError if the reader has gone. rich itself would exit with code 1,
    which has another meaning in every command.
    """
    from rich.console import Console

    class StdoutConsole(Console):
        def on_broken_pipe(self) -> None:
            raise  # the BrokenPipeError for which rich calls this

    return StdoutConsole() if sys.stdout.isatty() else StdoutConsole(width=PIPE_WIDTH)
