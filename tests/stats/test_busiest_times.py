"""The busiest times of a log are found in a limited amount of memory."""

import pytest

from extauth_http.stats.busiest_times import (
    MAX_OPEN_MINUTES,
    MAX_OPEN_PERIODS,
    BusiestMinute,
    MostQuestions,
    Questions,
)


@pytest.mark.parametrize(
    ("amounts", "most"),
    [
        ([], 0),
        ([(1, 2), (1, 3), (2, 4)], 5),
        ([(2, 1), (1, 1), (2, 1), (1, 1), (2, 1)], 3),
        ([(minute, 1) for minute in range(100)] + [(99, 1)], 2),
        ([(0, 7)] + [(minute, 1) for minute in range(100)], 8),
    ],
)
def test_the_busiest_minute_is_found(amounts: list[tuple[int, float]], most: float) -> None:
    busiest = BusiestMinute()
    for minute, amount in amounts:
        busiest.add(minute, amount)
        assert len(busiest.minutes) <= MAX_OPEN_MINUTES
    assert busiest.largest == most


def test_the_period_with_the_most_questions_is_found() -> None:
    questions = MostQuestions()
    assert questions.most == Questions()
    for period, seconds, is_queued in (
        *((0, 0.5, True), (1, 0.25, True), (2, 2.0, False)),
        *((1, 0.25, False) for _ in range(2)),
        *((period, 9.0, True) for period in range(3, 100)),
    ):
        questions.add(period, seconds, is_queued=is_queued)
        assert len(questions.periods) <= MAX_OPEN_PERIODS
    assert questions.most == Questions(count=3, queued=1, seconds=0.75)
