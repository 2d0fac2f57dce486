"""What the operator sees, and the question before a command ends something.

Text from outside is never interpreted: neither as markup nor as a command of the terminal. JSON is
plain ASCII for the same reason.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

from extauth_http.admin.outcomes import Outcome, State
from extauth_http.terminal.printable import printable, printable_lines

T = TypeVar("T")
MIN_PROGRESS_TARGETS = 5
_WIDE = 1_000_000  # columns
MARKS = {State.DONE: "✔", State.WOULD_BE: "-", State.NOT_DONE: "✘", State.NOT_KNOWN: "?"}
SUCCESSFUL = frozenset({State.DONE, State.WOULD_BE})


class NoTerminalError(Exception):
    """The command needs a confirmation, and there is no terminal."""


class Output:
    """Results on standard output, everything else on standard error. With ``is_dry_run``, nothing
    is reported as done."""

    def __init__(self, *, as_json: bool, is_dry_run: bool = False) -> None:
        self.as_json = as_json
        self._is_dry_run = is_dry_run
        self._out = Console(highlight=False, soft_wrap=True)
        self._err = Console(highlight=False, soft_wrap=True, stderr=True)

    def note(self, text: str) -> None:
        """Prints a text that is not a result: a warning, an error, a call of a dry run."""
        self._err.print(Text(printable_lines(text)))

    def would_call(self, call: str) -> None:
        self.note(f"would call: {call}")

    def result(self, text: str, facts: Any) -> None:
        """Prints the facts as JSON, or the text."""
        if self.as_json:
            print(json.dumps(facts), flush=True)
        else:
            self._out.print(Text(printable_lines(text)))

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]], facts: Any) -> None:
        """Prints the facts as JSON, or a table that is as wide as its content."""
        if self.as_json:
            print(json.dumps(facts), flush=True)
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(column, no_wrap=True)
        for row in rows:
            table.add_row(*(Text(printable(str(cell))) for cell in row))
        # A value that is cut off cannot be copied into the next command.
        Console(highlight=False, width=_WIDE).print(table)

    def outcomes(self, outcomes: Sequence[Outcome], **facts: Any) -> int:
        """Prints each outcome and returns the exit code: 0 if everything is done, otherwise 1."""
        if self._is_dry_run:
            outcomes = [
                replace(each, state=State.WOULD_BE) if each.state is State.DONE else each
                for each in outcomes
            ]
        if self.as_json:
            listed = [
                {
                    "target": each.target,
                    "state": each.state.value,
                    "message": each.message,
                    **each.facts,
                }
                for each in outcomes
            ]
            print(json.dumps({**facts, "outcomes": listed}), flush=True)
        else:
            self._list(outcomes)
        for hint in dict.fromkeys(each.hint for each in outcomes if each.hint):
            self.note(f"\n{hint}")
        return 0 if all(each.state in SUCCESSFUL for each in outcomes) else 1

    def _list(self, outcomes: Sequence[Outcome]) -> None:
        """One line for each outcome, those to act on last, and a summary if there are several."""
        for each in sorted(outcomes, key=lambda each: each.state not in SUCCESSFUL):
            prefix = "dry run: " if each.state is State.WOULD_BE else ""
            text = f"{MARKS[each.state]} {each.target}: {prefix}{each.message}"
            style = "" if each.state in SUCCESSFUL else "red"
            self._out.print(Text(printable_lines(text), style=style))
        if len(outcomes) != 1:
            done = State.WOULD_BE if self._is_dry_run else State.DONE
            count = Counter(each.state for each in outcomes)
            states = (done, State.NOT_DONE, State.NOT_KNOWN)
            self._out.print(", ".join(f"{count[state]} {state}" for state in states))

    def progress(self, activity: str) -> Callable[[Sequence[T]], Iterable[T]]:
        """An iterator over targets that shows a progress bar at a terminal, unless there are only a
        few targets."""

        def iterate(targets: Sequence[T]) -> Iterable[T]:
            if len(targets) < MIN_PROGRESS_TARGETS or not self._err.is_terminal:
                return iter(targets)
            return track(targets, description=activity, console=self._err, transient=True)

        return iterate

    def confirm(self, question: str) -> bool:
        """Whether the operator answers yes at the terminal. Raises NoTerminalError."""
        if not (sys.stdin and sys.stdin.isatty()):
            raise NoTerminalError(f"{question} Standard input is not a terminal: add --yes")
        self._err.print(Text(printable(f"{question} [y/N] ")), end="")
        return sys.stdin.readline().strip().lower() in ("y", "yes")
