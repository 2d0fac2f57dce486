"""Findings → a list for people, or JSON for machines, and an exit code."""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from io import TextIOWrapper

from extauth_http.check.finding import Finding, Level
from extauth_http.terminal.printable import printable

STYLES = {Level.GOOD: "green", Level.WARNING: "yellow", Level.BROKEN: "bold red"}
VERDICTS = {
    Level.GOOD: "good",
    Level.WARNING: "nothing is broken; read the lines with !",
    Level.BROKEN: "broken; mend the lines with ✘, then run this again",
}

Section = tuple[str, Sequence[Finding]]
"""A title and what was found under it."""


def as_json(sections: Iterable[Section]) -> tuple[str, Level]:
    """One object: ``verdict``, ``exit_code``, and ``findings`` in order; ASCII, so that nothing in
    it can change a terminal."""
    findings = [(title, each) for title, found in sections for each in found]
    level = max((each.level for _, each in findings), default=Level.GOOD)
    shown = [
        {**asdict(each), "section": title, "level": each.level.name.lower()}
        for title, each in findings
    ]
    whole = {"verdict": level.name.lower(), "exit_code": int(level), "findings": shown}
    return json.dumps(whole), level


def show(sections: Iterable[Section]) -> Level:
    """Prints the list, each section once it is there. Where piped it is without colour and no line
    is wrapped; what is to be copied never is."""
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a locale without ✔
    console = Console(highlight=False)
    worst = Level.GOOD

    def put(text: Text, indent: int, *, to_copy: bool = False) -> None:
        if console.is_terminal and not to_copy:
            console.print(Padding(text, (0, 0, 0, indent)))
        else:
            console.print(Text.assemble(" " * indent, text), soft_wrap=True)

    for title, found in sections:
        if not found:
            continue
        put(Text(printable(title), "bold"), 0)
        for each in found:
            worst = max(worst, each.level)
            mark = (f"{each.level.mark} ", STYLES[each.level])
            put(Text.assemble(mark, printable(each.found)), 2)
            for line in _below(each):
                put(Text(printable(line), "dim"), 6)
            if each.level is not Level.GOOD:
                for line in each.line.splitlines():
                    put(Text(printable(line), "bold"), 6, to_copy=True)
        console.print()
    put(Text(f"{worst.mark} {VERDICTS[worst]}", STYLES[worst]), 0)
    return worst


def _below(finding: Finding) -> list[str]:
    lines = list(finding.details)
    if finding.level is Level.GOOD:
        return lines
    if finding.where:
        lines.append(f"at {finding.where}")
    if finding.line and finding.place:
        lines.append(f"under {'.'.join(str(part) for part in finding.place)}:")
    return lines
