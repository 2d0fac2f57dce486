"""The statistics of ``stats`` are correct and use a limited amount of memory."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extauth_http.stats.percentiles import (
    MAX_MS,
    MAX_NAMES,
    MIN_MS,
    RELATIVE_ERROR,
    FrequentNames,
    LatencyHistogram,
    bucket_number,
)
from extauth_http.stats.pool_load import MAX_MEMBERS
from extauth_http.stats.summary import (
    MAX_REASONS,
    MAX_ROWS,
    OTHER_NAMES,
    BoundedCounter,
    StatisticsByName,
    Summary,
)
from tests.stats.entries import entry


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
