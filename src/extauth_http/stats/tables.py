"""The summary of a log as a person reads it."""

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

MOST_ROWS = 20
"""Of each table: the rest is in the JSON."""


def tables(found: dict[str, Any]) -> Group:
    """What ``Report.as_json`` gives, on a screen."""
    parts: list[RenderableType] = [_span(found)]
    if found["all"]["commands"]:
        parts += ["", _groups("host", {**found["hosts"], "all": found["all"]})]
        parts += ["", _groups("backend", found["backends"])]
        parts += ["", _reasons(found["all"])]
        if found["all"]["refused_users"]:
            parts += ["", _refused(found["all"]["refused_users"])]
        parts += ["", _pool(found["pool"])]
    return Group(*parts)


def _span(found: dict[str, Any]) -> Text:
    lines = found["lines"]
    others = ", ".join(f"{count} {name}" for name, count in lines["other_events"].items())
    text = f"{found['from']} to {found['to']}, " if found["from"] else ""
    text += f"{lines['answers']} answers"
    for count, what in (
        (others, ""),
        (lines["before"], "before that"),
        (lines["not_json"], "lines that are no JSON"),
        (lines["unusable"], "lines of something else"),
    ):
        text += f"; {count} {what}".rstrip() if count else ""
    return Text(text)


def _groups(kind: str, groups: dict[str, Any]) -> Table:
    columns = [kind, "logins", "a\nminute", "at\nmost", "allow", "deny", "undecided"]
    columns += ["p50\nms", "p95\nms", "p99\nms"]
    rows: list[list[str]] = []
    # `all` is the last and always there.
    names = list(groups)
    for name in names[:MOST_ROWS] + [name for name in names[MOST_ROWS:] if name == "all"]:
        group = groups[name]
        rows.append(
            [
                name,
                str(group["logins"]),
                f"{group['logins_per_minute']:.1f}",
                str(group["logins_in_busiest_minute"]),
                *(str(count) for count in group["verdicts"].values()),
                *(_ms(value) for value in group["ms"].values()),
            ]
        )
    return _table(columns, rows, texts=1)


def _reasons(group: dict[str, Any]) -> Table:
    rows = [
        [verdict, reason, str(count), _percent(count / group["commands"])]
        for verdict, reasons in group["reasons"].items()
        for reason, count in list(reasons.items())[:MOST_ROWS]
    ]
    return _table(["verdict", "reason", "commands", "share"], rows, texts=2)


def _refused(users: list[dict[str, Any]]) -> Table:
    counts = [(user["user"], user["at_least"], user["at_most"]) for user in users]
    rows = [
        [name, str(least) if least == most else f"{least} to {most}"]
        for name, least, most in counts
    ]
    return _table(["refused most often", "logins"], rows, texts=1)


def _pool(pool: dict[str, Any]) -> Text:
    text = f"pool: {pool['members']} members, busy {_percent(pool['busy'])} of the time"
    return Text(text + f", {_percent(pool['busy_in_busiest_minute'])} in the busiest minute")


def _table(names: list[str], rows: list[list[str]], texts: int) -> Table:
    """The first columns are ``texts``, the others figures. A name that is too long for the
    terminal takes more lines, and no figure loses a digit."""
    table = Table(box=None, pad_edge=False)
    for column, name in enumerate(names):
        if column < texts:
            table.add_column(name, overflow="fold")
        else:
            cells = [*name.split("\n"), *(row[column] for row in rows)]
            table.add_column(name, justify="right", min_width=max(map(len, cells)))
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _percent(share: float | None) -> str:
    return "?" if share is None else f"{share:.1%}"
