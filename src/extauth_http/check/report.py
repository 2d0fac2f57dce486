"""The report: findings as text for people or as JSON, and the exit code."""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from io import TextIOWrapper

from extauth_http.check.finding import Finding, Level
from extauth_http.terminal.printable import printable

STYLES = {Level.GOOD: "green", Level.WARNING: "yellow", Level.BROKEN: "bold red"}
VERDICTS = {
    Level.GOOD: "No problems found.",
    Level.WARNING: "Warnings found. Read the lines marked !.",
    Level.BROKEN: "Problems found. Fix the lines marked ✘.",
}

Section = tuple[str, Sequence[Finding]]
"""A title and its findings."""


def as_json(sections: Iterable[Section]) -> tuple[str, Level]:
    """One line of JSON, and the highest level.

    The keys are ``verdict``, ``exit_code`` and ``findings``. The text is ASCII, so that nothing
    in it can control a terminal.
    """
    findings = [(title, each) for title, found in sections for each in found]
    level = max((each.level for _, each in findings), default=Level.GOOD)
    shown = [
        {**asdict(each), "section": title, "level": each.level.name.lower()}
        for title, each in findings
    ]
    whole = {"verdict": level.name.lower(), "exit_code": int(level), "findings": shown}
    return json.dumps(whole), level


def show(sections: Iterable[Section]) -> Level:
    """Prints each section as soon as it is available, and returns the highest level.

    A line to copy is never wrapped. Without a terminal, no line is wrapped and there are no
    colours.
    """
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # the locale may not have ✔
    console = Console(highlight=False)
    highest = Level.GOOD

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
            highest = max(highest, each.level)
            mark = (f"{each.level.mark} ", STYLES[each.level])
            put(Text.assemble(mark, printable(each.found)), 2)
            for line in _details(each):
                put(Text(printable(line), "dim"), 6)
            for line in _lines_to_copy(each):
                put(Text(printable(line), "bold"), 6, to_copy=True)
        console.print()
    put(Text(f"{highest.mark} {VERDICTS[highest]}", STYLES[highest]), 0)
    return highest


def _details(finding: Finding) -> list[str]:
    lines = list(finding.details)
    if finding.level is Level.GOOD:
        return lines
    if finding.where:
        lines.append(f"at {finding.where}")
    if finding.line and finding.place:
        lines.append(f"under {'.'.join(str(part) for part in finding.place)}:")
    return lines


def _lines_to_copy(finding: Finding) -> list[str]:
    return [] if finding.level is Level.GOOD else finding.line.splitlines()
