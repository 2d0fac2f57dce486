"""Findings → a list for people, or JSON for machines, and an exit code."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from extauth_http.check.finding import Finding, Level

STYLES = {Level.GOOD: "green", Level.WARNING: "yellow", Level.BROKEN: "bold red"}
VERDICTS = {
    Level.GOOD: "good",
    Level.WARNING: "no line says broken; read those with !",
    Level.BROKEN: "broken; mend the lines with ✘, then run this again",
}

Sections = Sequence[tuple[str, Sequence[Finding]]]
"""Titles and what was found under each, in the order to show."""


def worst(sections: Sections) -> Level:
    return max((each.level for _, found in sections for each in found), default=Level.GOOD)


def as_json(sections: Sections) -> str:
    """One object: ``verdict``, ``exit_code``, and ``findings`` in order."""
    level = worst(sections)
    findings = [
        {**asdict(each), "section": title, "level": each.level.name.lower()}
        for title, found in sections
        for each in found
    ]
    whole = {"verdict": level.name.lower(), "exit_code": int(level), "findings": findings}
    return json.dumps(whole, ensure_ascii=False)


def show(sections: Sections) -> None:
    """Prints the list; where piped without colour, and no line is wrapped."""
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    console = Console(highlight=False)

    def put(text: Text, indent: int) -> None:
        if console.is_terminal:
            console.print(Padding(text, (0, 0, 0, indent)))
        else:
            console.print(Text(" " * indent) + text, soft_wrap=True)

    for title, found in sections:
        if not found:
            continue
        console.print()
        put(Text(title, "bold"), 0)
        for each in found:
            put(Text(f"{each.level.mark} ", STYLES[each.level]) + Text(each.found), 2)
            for line in _below(each):
                put(Text(line, "dim"), 6)
            if each.line and each.level is not Level.GOOD:
                put(Text(each.line, "bold"), 6)
    level = worst(sections)
    console.print()
    put(Text(f"{level.mark} {VERDICTS[level]}", STYLES[level]), 0)


def _below(finding: Finding) -> list[str]:
    lines = list(finding.details)
    if finding.level is Level.GOOD:
        return lines
    if finding.where:
        lines.append(f"at {finding.where}")
    if finding.line and finding.place:
        lines.append(f"under {'.'.join(str(part) for part in finding.place)}:")
    return lines
