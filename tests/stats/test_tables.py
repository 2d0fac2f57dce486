"""The tables of ``stats`` on a terminal."""

import io
from typing import Any

import pytest
from rich.console import Console

from extauth_http.stats.report import LogReport
from extauth_http.stats.tables import MAX_ROWS, report_tables
from tests.stats.log_lines import clock, line


def printed(report: dict[str, Any], width: int = 80) -> str:
    screen = Console(width=width, file=io.StringIO())
    screen.print(report_tables(report))
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


@pytest.mark.parametrize("width", [70, 80])
def test_no_name_and_no_number_is_cut_on_a_narrow_terminal(width: int) -> None:
    report = LogReport()
    host = "a-host-of-a-long-name.example.org"
    report.add_line(line(host=host, verdict="deny", reason="denied"))
    found = report.as_json()
    for row in (found["all"], found["hosts"][host]):
        row |= {"logins": 12_345_678, "logins_per_minute": 123_456.7}
    shown = printed(found, width)
    assert "…" not in shown
    assert shown.count("12345678") == shown.count("123456.7") == 2


def test_commands_that_waited_and_a_sufficient_size_are_shown() -> None:
    report = LogReport(pool_size=2, pools=3)
    for number in range(100):
        report.add_line(line(time=clock(number / 10), ms=900.0, queued=number % 2 == 0))
    found = report.as_json()
    shown = printed(found)
    assert "3 pools: 6 members, busy" in shown
    assert "50.0% of the commands waited for a busy member" in shown
    assert f"suggested extauth_pool_size: {found['pool']['suggested_size']}" in shown
    assert found["pool"]["suggested_size"] > 2


def test_the_tables_have_a_limited_number_of_rows_and_always_the_sum() -> None:
    report = LogReport()
    for number in range(2 * MAX_ROWS):
        report.add_line(line(host=f"{number}.example"))
    shown = printed(report.as_json())
    assert shown.count(".example") == MAX_ROWS
    (total,) = (row.split() for row in shown.splitlines() if row.startswith("all "))
    assert total[1] == str(2 * MAX_ROWS)
