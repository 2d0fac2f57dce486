"""A duration has one spelling in every command."""

import pytest

from extauth_http.config.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0s", 0),
        ("10s", 10),
        ("30m", 1800),
        ("1h", 3600),
        ("1.5h", 5400),
        ("2d", 172_800),
        ("1w", 604_800),
    ],
)
def test_a_number_with_a_unit_is_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds
    assert parse_duration(text, needs_unit=False) == seconds


NEVER = ["", "h", "-1h", "+1h", "1y", "1 h", "1h30m", "nan", "inf", "1e9", ".5h", "1.h", "٣s"]
TOO_LARGE = ["9" * 400 + "s", "9" * 308 + "w"]


@pytest.mark.parametrize("text", [*NEVER, *TOO_LARGE, "1", "0.1"])
def test_anything_else_is_an_error_that_gives_examples(text: str) -> None:
    with pytest.raises(ValueError, match=r"such as 10s, 30m, 1\.5h or 2d, not"):
        parse_duration(text)


def test_a_number_alone_is_seconds_where_no_unit_is_needed() -> None:
    assert parse_duration("90", needs_unit=False) == 90
    assert parse_duration("0.1", needs_unit=False) == 0.1


@pytest.mark.parametrize("text", [*NEVER, "9" * 400])
def test_other_text_is_an_error_without_a_unit_as_well(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(text, needs_unit=False)
