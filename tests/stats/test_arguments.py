"""The times that ``--since`` accepts."""

import pytest

from extauth_http.stats.arguments import parse_since
from tests.stats.log_lines import TIME


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", TIME - 90),
        ("30m", TIME - 1800),
        ("1h", TIME - 3600),
        ("1.5h", TIME - 5400),
        ("2d", TIME - 172_800),
        ("1w", TIME - 604_800),
        ("2026-05-01T08:00", TIME),
        ("2026-05-01T08:00:00Z", TIME),
        ("2026-05-01 10:00+02:00", TIME),
        ("2026-05-01", TIME - 28_800),
    ],
)
def test_since_is_a_duration_or_a_time(text: str, expected: float) -> None:
    assert parse_since(text, TIME) == expected


@pytest.mark.parametrize("text", ["", "1", "h", "-1h", "1y", "1 h", "soon"])
def test_any_other_text_for_since_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - only that it is refused counts
        parse_since(text, TIME)
