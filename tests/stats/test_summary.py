"""The statistics of ``stats`` are correct and use a limited amount of memory."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extauth_http.stats.log_entries import AnswerEntry
from extauth_http.stats.sketches import (
    MAX_MS,
    MAX_NAMES,
    MIN_MS,
    RELATIVE_ERROR,
    FrequentNames,
    LatencyHistogram,
    bucket_number,
)
from extauth_http.stats.summary import (
    MAX_MEMBERS,
    MAX_OPEN_MINUTES,
    MAX_REASONS,
    MAX_ROWS,
    OTHER_NAMES,
    BoundedCounter,
    BusiestMinute,
    PoolLoad,
    StatisticsByName,
    Summary,
)


def entry(
    time: float = 1000.0,
    *,
    host: str = "example.org",
    user: str = "alice",
    reason: str = "denied",
    ms: float = 10.0,
    pid: int = 1,
) -> AnswerEntry:
    return AnswerEntry(time, "auth", user, host, "rest", "deny", reason, ms, pid)


@given(
    st.lists(st.floats(MIN_MS, MAX_MS), min_size=1, max_size=200),
    st.sampled_from([0.5, 0.95, 0.99]),
)
def test_a_percentile_is_within_the_stated_error(values: list[float], share: float) -> None:
    histogram = LatencyHistogram()
    for value in values:
        histogram.add(bucket_number(value))
    exact = sorted(values)[math.ceil(share * len(values)) - 1]
    assert histogram.percentile(share) == pytest.approx(exact, rel=RELATIVE_ERROR * (1 + 1e-9))


def test_an_empty_histogram_has_no_percentile() -> None:
    assert LatencyHistogram().percentile(0.5) is None


@given(st.lists(st.floats(0, 1e300)))
def test_the_number_of_buckets_is_limited(values: list[float]) -> None:
    numbers = {bucket_number(value) for value in values}
    assert numbers <= set(range(bucket_number(MIN_MS), bucket_number(MAX_MS) + 1))
    assert bucket_number(MAX_MS) - bucket_number(MIN_MS) < 1100


@given(st.lists(st.sampled_from("abcdefghijkl"), max_size=300), st.integers(2, 6))
def test_a_frequent_name_is_found_and_its_count_is_within_the_limits(
    names: list[str], limit: int
) -> None:
    frequent = FrequentNames(limit)
    for name in names:
        frequent.add(name)
        assert len(frequent.counts) < limit
    for name in set(names):
        least = frequent.counts.get(name, 0)
        assert least <= names.count(name) <= least + frequent.max_missing
    assert frequent.max_missing <= len(names) / limit


def test_a_user_under_attack_is_found_among_many_others() -> None:
    frequent = FrequentNames()
    chance = random.Random(1)
    for number in range(100_000):
        frequent.add("victim" if chance.random() < 0.02 else f"user{number}")
    assert frequent.top(1)[0][0] == "victim"


def test_names_above_the_limit_are_counted_as_others() -> None:
    counts = BoundedCounter(3)
    for name in "abcdab":
        counts.add(name)
    assert counts.by_frequency() == {OTHER_NAMES: 2, "a": 2, "b": 2}


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


@pytest.mark.parametrize(
    ("lines", "size", "members", "busy", "minute"),
    [
        # One member, busy for 1 of 10 seconds.
        ([(1001, 1000, 1), (1010, 0, 1)], None, 1, 0.1, 0.1),
        # Two members, one of them never busy.
        ([(1010, 10_000, 1), (1000, 0, 2), (1010, 0, 2)], None, 2, 0.5, 0.5),
        # One member and its replacement: one at a time.
        ([(1005, 5000, 1), (1010, 4000, 2)], None, 1, 0.9, 0.9),
        # Six more members never got a packet.
        ([(1010, 10_000, 1), (1010, 10_000, 2)], 8, 8, 0.25, 0.25),
        # A reply after 90 s counts in two minutes.
        ([(960, 0, 1), (1080, 90_000, 1)], None, 1, 0.75, 1.0),
    ],
)
def test_the_load_of_the_pool_is_a_share_of_its_time(
    lines: list[tuple[float, float, int]],
    size: int | None,
    members: int,
    busy: float,
    minute: float,
) -> None:
    summary = Summary()
    for time, ms, pid in lines:
        summary.add(entry(time, ms=ms, pid=pid))
    found = summary.pool.as_json(summary.seconds, size)
    assert found == {"members": members, "busy": busy, "busy_in_busiest_minute": minute}


def test_the_number_of_pool_members_in_memory_is_limited() -> None:
    pool = PoolLoad()
    for pid in range(3 * MAX_MEMBERS):
        pool.add_member(pid, pid, pid + 1.5)
        assert len(pool.members) <= MAX_MEMBERS
    assert pool.members_at_once() == 2


def test_the_most_pool_members_at_one_time_are_known_after_they_left_the_memory() -> None:
    pool = PoolLoad()
    for pid in range(5):
        pool.add_member(pid, 0, 1)
    for pid in range(5, 3 * MAX_MEMBERS):
        pool.add_member(pid, pid, pid)
    assert 0 not in pool.members
    assert pool.members_at_once() == 5


def test_the_memory_is_limited_for_any_log() -> None:
    summary = Summary()
    for number in range(3 * MAX_ROWS):
        summary.add(
            entry(
                60.0 * number, host=f"h{number}", user=f"u{number}", reason=f"r{number}", pid=number
            )
        )
    assert len(summary.hosts.rows) == MAX_ROWS
    assert summary.hosts.rows[OTHER_NAMES].commands == 2 * MAX_ROWS + 1
    assert len(summary.all.reasons["deny"].counts) == MAX_REASONS
    assert len(summary.all.refused_users.counts) < MAX_NAMES
    assert len(summary.pool.members) <= MAX_MEMBERS
    assert sum(row.commands for row in summary.hosts.rows.values()) == 3 * MAX_ROWS


def test_a_known_name_keeps_its_row_when_the_limit_is_reached() -> None:
    groups = StatisticsByName(2)
    first, second = groups.row("a"), groups.row("b")
    assert groups.row("a") is first
    assert groups.row("c") is second
    assert list(groups.rows) == ["a", OTHER_NAMES]
