"""Rejections are logged, but not without end."""

from extauth_http.signals.log_limit import INTERVAL, PER_INTERVAL, LogLimit


def test_an_interval_has_few_lines_and_the_next_one_counts_the_others() -> None:
    now = 100.0
    limit = LogLimit(lambda: now)
    assert sum(limit.allows() for _ in range(1000)) == PER_INTERVAL
    now += INTERVAL
    assert limit.allows()
    assert limit.take_suppressed() == 1000 - PER_INTERVAL
    assert limit.take_suppressed() == 0
