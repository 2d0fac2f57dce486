"""The tables of ``stats`` on a terminal."""

import io

from rich.console import Console

from extauth_http.stats.report import LogReport
from extauth_http.stats.tables import report_tables
from tests.stats.log_lines import line


def test_no_name_and_no_number_is_cut_on_a_narrow_terminal() -> None:
    report = LogReport()
    host = "a-host-of-a-long-name.example.org"
    report.add_line(line(host=host, verdict="deny", reason="denied"))
    found = report.as_json()
    for row in (found["all"], found["hosts"][host]):
        row |= {"logins": 12_345_678, "logins_per_minute": 123_456.7}
    screen = Console(width=80, file=io.StringIO())
    screen.print(report_tables(found))
    assert isinstance(screen.file, io.StringIO)
    shown = screen.file.getvalue()
    assert "…" not in shown
    assert shown.count("12345678") == shown.count("123456.7") == 2
