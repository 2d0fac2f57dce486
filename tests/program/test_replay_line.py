"""One line of a text file of commands."""

import pytest

from extauth_http.program.replay_line import ReplayLine, parse_line
from extauth_http.protocol.verdict import Verdict


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("auth:a:h:pw", ReplayLine(b"auth:a:h:pw", None)),
        ("  auth:a:h:pw\r\n", ReplayLine(b"auth:a:h:pw", None)),
        ("auth:a:h:p w ", ReplayLine(b"auth:a:h:p w ", None)),
        ("auth:a:h:pw => allow", ReplayLine(b"auth:a:h:pw", Verdict.ALLOW)),
        ("auth:a:h:pw\t=>deny  ", ReplayLine(b"auth:a:h:pw", Verdict.DENY)),
        ("isuser:a:h => undecided", ReplayLine(b"isuser:a:h", Verdict.UNDECIDED)),
        ("auth:a:h:x => y => allow", ReplayLine(b"auth:a:h:x => y", Verdict.ALLOW)),
        ("auth:a:h:# no comment", ReplayLine(b"auth:a:h:# no comment", None)),
        ("auth:a:h:\udcff", ReplayLine(b"auth:a:h:\xff", None)),
        ("# auth:a:h:pw", None),
        ("  # x", None),
        ("   ", None),
    ],
)
def test_a_line_holds_a_command_and_its_expectation(line: str, expected: ReplayLine | None) -> None:
    assert parse_line(line) == expected


def test_a_line_does_not_show_its_password() -> None:
    assert "hunter2" not in repr(parse_line("auth:a:h:hunter2 => allow"))
