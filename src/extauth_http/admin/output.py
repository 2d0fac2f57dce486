"""What the operator sees and is asked. Nothing of it is taken for markup or for a terminal's
command; JSON is plain ASCII for the same reason."""

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

from extauth_http.admin.outcome import Outcome, State
from extauth_http.admin.visible import visible

T = TypeVar("T")
BAR_FROM = 5  # targets
_WIDE = 1_000_000  # columns
MARKS = {State.DONE: "✔", State.WOULD_BE: "-", State.NOT_DONE: "✘", State.NOT_KNOWN: "?"}
WELL = frozenset({State.DONE, State.WOULD_BE})


class Screen:
    """Standard output for results, standard error for everything on the way there. With ``is_dry``
    nothing is told as done."""

    def __init__(self, *, as_json: bool, is_dry: bool = False) -> None:
        self.as_json = as_json
        self._is_dry = is_dry
        self._out = Console(highlight=False, soft_wrap=True)
        self._err = Console(highlight=False, soft_wrap=True, stderr=True)

    def note(self, text: str) -> None:
        """Something on the way: a warning, a call of a dry run."""
        self._err.print(Text(harmless(text)))

    def would_call(self, call: str) -> None:
        self.note(f"would call: {call}")

    def result(self, text: str, facts: Any) -> None:
        """Facts as JSON, or else text."""
        if self.as_json:
            print(json.dumps(facts), flush=True)
        else:
            self._out.print(Text(harmless(text)))

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]], facts: Any) -> None:
        """Facts as JSON, or else a table, as wide as it has to be."""
        if self.as_json:
            print(json.dumps(facts), flush=True)
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(column, no_wrap=True)
        for row in rows:
            table.add_row(*(Text(visible(str(cell))) for cell in row))
        # What is cut off cannot be copied into the next command.
        Console(highlight=False, width=_WIDE).print(table)

    def outcomes(self, outcomes: Sequence[Outcome], **facts: Any) -> int:
        """Tells what came of each, and gives the exit code: 0 where all is done."""
        if self._is_dry:
            outcomes = [
                replace(each, state=State.WOULD_BE) if each.state is State.DONE else each
                for each in outcomes
            ]
        if self.as_json:
            told = [
                {"target": each.target, "state": each.state.value, "said": each.said, **each.facts}
                for each in outcomes
            ]
            print(json.dumps({**facts, "outcomes": told}), flush=True)
        elif len(outcomes) == 1:
            self._line(outcomes[0])
        else:
            for each in sorted(outcomes, key=lambda each: each.state not in WELL):
                self._line(each)
            well = State.WOULD_BE if self._is_dry else State.DONE
            told_of = (well, State.NOT_DONE, State.NOT_KNOWN)
            count = Counter(each.state for each in outcomes)
            self._out.print(", ".join(f"{count[state]} {state}" for state in told_of))
        for advice in dict.fromkeys(each.advice for each in outcomes if each.advice):
            self.note(f"\n{advice}")
        return 0 if all(each.state in WELL for each in outcomes) else 1

    def _line(self, outcome: Outcome) -> None:
        dry = "dry run: " * (outcome.state is State.WOULD_BE)
        text = f"{MARKS[outcome.state]} {outcome.target}: {dry}{outcome.said}"
        style = "" if outcome.state in WELL else "red"
        self._out.print(Text(harmless(text), style=style))

    def bar(self, what: str) -> Callable[[Sequence[T]], Iterable[T]]:
        """Something to iterate with: it shows how far it is, on a terminal and for more than a
        few."""

        def shown(targets: Sequence[T]) -> Iterable[T]:
            if len(targets) < BAR_FROM or not self._err.is_terminal:
                return iter(targets)
            return track(targets, description=what, console=self._err, transient=True)

        return shown

    def agrees(self, question: str) -> bool:
        """Whether the operator says yes at the terminal. Raises NobodyToAsk where there is none."""
        if not (sys.stdin and sys.stdin.isatty()):
            raise NoTerminalError(f"{question} There is no terminal to ask at: add --yes")
        self._err.print(Text(visible(f"{question} [y/N] ")), end="")
        return sys.stdin.readline().strip().lower() in ("y", "yes")


class NoTerminalError(Exception):
    """Something would have to be asked, and there is no terminal."""


def harmless(text: str) -> str:
    """A text of several lines, each of them fit to be shown."""
    return "\n".join(map(visible, text.split("\n")))
