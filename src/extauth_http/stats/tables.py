"""The report of ``stats`` as tables for a terminal."""

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

MAX_ROWS = 20
"""Rows of each table. The JSON has all of them."""


def report_tables(report: dict[str, Any]) -> Group:
    """The tables of ``LogReport.as_json()``."""
    parts: list[RenderableType] = [_lines(report)]
    if report["all"]["commands"]:
        parts += ["", _statistics("host", {**report["hosts"], "all": report["all"]})]
        parts += ["", _statistics("backend", report["backends"])]
        parts += ["", _reasons(report["all"])]
        if report["all"]["refused_users"]:
            parts += ["", _refused_users(report["all"]["refused_users"])]
        parts += ["", _pool(report["pool"])]
    return Group(*parts)


def _lines(report: dict[str, Any]) -> Text:
    lines = report["lines"]
    events = ", ".join(f"{count} {name}" for name, count in lines["other_events"].items())
    text = f"{report['from']} to {report['to']}, " if report["from"] else ""
    text += f"{lines['answers']} answers"
    for count, description in (
        (events, ""),
        (lines["before"], "earlier entries"),
        (lines["not_json"], "lines that are not JSON"),
        (lines["unusable"], "lines of other programs"),
    ):
        text += f"; {count} {description}".rstrip() if count else ""
    return Text(text)


def _statistics(kind: str, statistics: dict[str, Any]) -> Table:
    columns = [kind, "logins", "per\nminute", "peak\nminute", "allow", "deny", "undecided"]
    columns += ["p50\nms", "p95\nms", "p99\nms"]
    rows: list[list[str]] = []
    # The row `all` comes last and is never left out.
    names = list(statistics)
    for name in names[:MAX_ROWS] + [name for name in names[MAX_ROWS:] if name == "all"]:
        row = statistics[name]
        rows.append(
            [
                name,
                str(row["logins"]),
                f"{row['logins_per_minute']:.1f}",
                str(row["logins_in_busiest_minute"]),
                *(str(count) for count in row["verdicts"].values()),
                *(_ms(value) for value in row["ms"].values()),
            ]
        )
    return _table(columns, rows, texts=1)


def _reasons(row: dict[str, Any]) -> Table:
    rows = [
        [verdict, reason, str(count), _percent(count / row["commands"])]
        for verdict, reasons in row["reasons"].items()
        for reason, count in list(reasons.items())[:MAX_ROWS]
    ]
    return _table(["verdict", "reason", "commands", "share"], rows, texts=2)


def _refused_users(users: list[dict[str, Any]]) -> Table:
    counts = [(user["user"], user["at_least"], user["at_most"]) for user in users]
    rows = [
        [name, str(least) if least == most else f"{least} to {most}"]
        for name, least, most in counts
    ]
    return _table(["most refused users", "logins"], rows, texts=1)


def _pool(pool: dict[str, Any]) -> Text:
    pools = f"{pool['pools']} pools" if pool["pools"] > 1 else "pool"
    text = f"{pools}: {pool['members']} members, busy {_percent(pool['busy'])} of the time"
    text += f", {_percent(pool['busy_in_busiest_minute'])} in the busiest minute"
    if pool["queued"]:
        text += (
            f"\n{_percent(pool['queued'])} of the commands waited for a busy member, "
            f"{_percent(pool['queued_in_busiest_10_s'])} in the ten seconds with the most commands"
        )
    if pool["suggested_size"]:
        text += f"\nsuggested extauth_pool_size: {pool['suggested_size']}"
    return Text(text)


def _table(names: list[str], rows: list[list[str]], texts: int) -> Table:
    """A table whose first ``texts`` columns are text, the others numbers.

    A text that is too long for the terminal is folded. A number keeps all of its digits.
    """
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
