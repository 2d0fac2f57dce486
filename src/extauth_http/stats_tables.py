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
    columns = [kind, "logins", "a minute", "at most", "allow", "deny", "undecided"]
    table = _table(*columns, "p50 ms", "p95 ms", "p99 ms", texts=1)
    # `all` is the last and always there.
    names = list(groups)
    for name in names[:MOST_ROWS] + [name for name in names[MOST_ROWS:] if name == "all"]:
        group = groups[name]
        table.add_row(
            Text(name),
            str(group["logins"]),
            f"{group['logins_per_minute']:.1f}",
            str(group["logins_in_busiest_minute"]),
            *(str(count) for count in group["verdicts"].values()),
            *(_ms(value) for value in group["ms"].values()),
        )
    return table


def _reasons(group: dict[str, Any]) -> Table:
    table = _table("verdict", "reason", "commands", "share", texts=2)
    for verdict, reasons in group["reasons"].items():
        for reason, count in list(reasons.items())[:MOST_ROWS]:
            table.add_row(verdict, Text(reason), str(count), _percent(count / group["commands"]))
    return table


def _refused(users: list[dict[str, Any]]) -> Table:
    table = _table("refused most often", "logins", texts=1)
    for user in users:
        least, most = user["at_least"], user["at_most"]
        table.add_row(Text(user["user"]), str(least) if least == most else f"{least} to {most}")
    return table


def _pool(pool: dict[str, Any]) -> Text:
    text = f"pool: {pool['members']} members, busy {_percent(pool['busy'])} of the time"
    return Text(text + f", {_percent(pool['busy_in_busiest_minute'])} in the busiest minute")


def _table(*names: str, texts: int) -> Table:
    table = Table(*names, box=None, pad_edge=False)
    for column in table.columns[texts:]:
        column.justify = "right"
    return table


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _percent(share: float | None) -> str:
    return "?" if share is None else f"{share:.1%}"
