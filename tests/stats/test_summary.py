"""What ``stats`` counts: right within its bounds, and within its bounds whatever comes."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extauth_http.stats.sketches import (
    ERROR,
    LEAST_MS,
    MAX_NAMES,
    MOST_MS,
    Frequent,
    Histogram,
    bucket,
)
from extauth_http.stats.summary import (
    KEPT_MINUTES,
    MAX_GROUPS,
    MAX_MEMBERS,
    MAX_REASONS,
    OTHERS,
    BusiestMinute,
    Counts,
    Entry,
    Groups,
    Pool,
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
) -> Entry:
    return Entry(time, "auth", user, host, "rest", "deny", reason, ms, pid)


@given(
    st.lists(st.floats(LEAST_MS, MOST_MS), min_size=1, max_size=200),
    st.sampled_from([0.5, 0.95, 0.99]),
)
def test_a_percentile_is_within_the_error_that_is_told(values: list[float], share: float) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(bucket(value))
    exact = sorted(values)[math.ceil(share * len(values)) - 1]
    assert histogram.percentile(share) == pytest.approx(exact, rel=ERROR * (1 + 1e-9))


def test_no_latency_has_no_percentile() -> None:
    assert Histogram().percentile(0.5) is None


@given(st.lists(st.floats(0, 1e300)))
def test_a_histogram_has_so_many_buckets_at_most(values: list[float]) -> None:
    numbers = {bucket(value) for value in values}
    assert numbers <= set(range(bucket(LEAST_MS), bucket(MOST_MS) + 1))
    assert bucket(MOST_MS) - bucket(LEAST_MS) < 1100


@given(st.lists(st.sampled_from("abcdefghijkl"), max_size=300), st.integers(2, 6))
def test_a_frequent_name_is_found_and_its_count_within_what_is_told(
    names: list[str], limit: int
) -> None:
    frequent = Frequent(limit)
    for name in names:
        frequent.add(name)
        assert len(frequent.counts) < limit
    for name in set(names):
        least = frequent.counts.get(name, 0)
        assert least <= names.count(name) <= least + frequent.missed
    assert frequent.missed <= len(names) / limit


def test_whose_password_is_guessed_is_seen_among_a_million_others() -> None:
    frequent = Frequent()
    chance = random.Random(1)
    for number in range(100_000):
        frequent.add("victim" if chance.random() < 0.02 else f"user{number}")
    assert frequent.top(1)[0][0] == "victim"


def test_more_names_than_there_are_places_are_counted_as_others() -> None:
    counts = Counts(3)
    for name in "abcdab":
        counts.add(name)
    assert counts.most_first() == {OTHERS: 2, "a": 2, "b": 2}


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
        assert len(busiest.minutes) <= KEPT_MINUTES
    assert busiest.most == most


@pytest.mark.parametrize(
    ("lines", "size", "members", "busy", "minute"),
    [
        # One member, busy for 1 of 10 seconds.
        ([(1001, 1000, 1), (1010, 0, 1)], None, 1, 0.1, 0.1),
        # Two, of which one is never busy.
        ([(1010, 10_000, 1), (1000, 0, 2), (1010, 0, 2)], None, 2, 0.5, 0.5),
        # One and its successor: that is one at a time.
        ([(1005, 5000, 1), (1010, 4000, 2)], None, 1, 0.9, 0.9),
        # Six were never asked.
        ([(1010, 10_000, 1), (1010, 10_000, 2)], 8, 8, 0.25, 0.25),
        # An answer that took two minutes was under way in both: 1000 s is in minute 16.
        ([(960, 0, 1), (1080, 90_000, 1)], None, 1, 0.75, 1.0),
    ],
)
def test_how_full_the_pool_was(
    lines: list[tuple[float, float, int]],
    size: int | None,
    members: int,
    busy: float,
    minute: float,
) -> None:
    summary = Summary()
    for time, ms, pid in lines:
        summary.add(entry(time, ms=ms, pid=pid))
    found = summary.pool.summary(summary.seconds, size)
    assert found == {"members": members, "busy": busy, "busy_in_busiest_minute": minute}


def test_pool_members_are_forgotten_when_there_were_too_many() -> None:
    pool = Pool()
    for pid in range(3 * MAX_MEMBERS):
        pool.seen(pid, pid, pid + 1.5)
        assert len(pool.members) <= MAX_MEMBERS
    assert pool.members_at_once() == 2


def test_the_memory_is_bounded_whatever_the_log_holds() -> None:
    summary = Summary()
    for number in range(3 * MAX_GROUPS):
        summary.add(
            entry(
                60.0 * number, host=f"h{number}", user=f"u{number}", reason=f"r{number}", pid=number
            )
        )
    assert len(summary.hosts.tallies) == MAX_GROUPS
    assert summary.hosts.tallies[OTHERS].commands == 2 * MAX_GROUPS + 1
    assert len(summary.all.reasons["deny"].counts) == MAX_REASONS
    assert len(summary.all.refused.counts) < MAX_NAMES
    assert len(summary.pool.members) <= MAX_MEMBERS
    assert sum(tally.commands for tally in summary.hosts.tallies.values()) == 3 * MAX_GROUPS


def test_a_known_group_is_found_when_there_are_no_more_places() -> None:
    groups = Groups(2)
    first, second = groups.of("a"), groups.of("b")
    assert groups.of("a") is first
    assert groups.of("c") is second
    assert list(groups.tallies) == ["a", OTHERS]
