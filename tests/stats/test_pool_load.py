"""How busy the pool members were, whether logins waited for them, and the suggested size."""

import random

import pytest

from extauth_http.ejabberd_pool import STEPS, STEPS_WITH_SQL, Load, sufficient_size
from extauth_http.stats.pool_load import MAX_MEMBERS, PoolLoad
from extauth_http.stats.summary import Summary
from tests.stats.entries import entry


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
    found = summary.pool.as_json(summary.seconds, size, None)
    assert found == {
        "members": members,
        "pools": 1,
        "busy": busy,
        "busy_in_busiest_minute": minute,
        "queued": 0,
        "queued_in_busiest_10_s": 0,
        "suggested_size": None,
    }


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


SECONDS = 60.0


def load_of_log(rate: float, service: float, queued: float, hosts: int = 1) -> PoolLoad:
    """The load of a minute in which this share of the questions had waited. The process is that of
    ``serve``."""
    numbers = random.Random(1)
    load = PoolLoad()
    for number in range(int(rate * SECONDS)):
        host = f"{number % hosts}.example"
        is_queued = numbers.random() < queued
        load.add(entry(60_000 + number / rate, host=host, ms=service * 1000, queued=is_queued))
    return load


SUGGESTIONS = [
    # logins per second, service, pool, share that waited (of the simulation), suggested for steps
    (100, 0.2, 32, 0.51, STEPS),
    (100, 0.2, 62, 0.10, None),
    (100, 0.2, 58, 0.20, None),
    (100, 0.2, 62, 0.30, STEPS_WITH_SQL),
    (100, 0.2, 16, 0.99, STEPS),
    (100, 0.2, 64, 0.001, None),
    (100, 0.2, 8, 0.0, None),
]


@pytest.mark.parametrize(("rate", "service", "size", "queued", "steps"), SUGGESTIONS)
def test_a_size_is_suggested_if_more_questions_waited_than_in_a_sufficient_pool(
    rate: int, service: float, size: int, queued: float, steps: int | None
) -> None:
    found = load_of_log(rate, service, queued).as_json(SECONDS, size, None)
    assert found["queued"] == pytest.approx(queued, rel=0.2)
    assert found["queued_in_busiest_10_s"] == pytest.approx(queued, rel=0.2, abs=0.002)
    expected = sufficient_size(Load(int(rate * SECONDS), SECONDS, service, steps)) if steps else 0
    assert (found["suggested_size"] or 0) == pytest.approx(expected, abs=1)


@pytest.mark.parametrize(("pools", "members"), [(None, 8), (3, 24)])
def test_serve_replies_for_all_pools_so_their_number_can_be_given(
    pools: int | None, members: int
) -> None:
    found = load_of_log(100, 0.2, 0.9, hosts=3).as_json(SECONDS, 8, pools)
    assert found["members"] == members
    # A pool for one of three hosts must be as large as one pool for all of them.
    one_pool = sufficient_size(Load(6000, SECONDS, 0.2, STEPS))
    assert found["suggested_size"] == pytest.approx(one_pool, rel=0.05)


POOLS = [
    # a host for each process of the log
    ([("a", 1), ("a", 2)], 1),
    ([("a", 1), ("b", 2), ("c", 3)], 3),
    ([("a", 1), ("b", 1)], 1),
    ([("a", 1), ("(none)", 1)], 1),
    ([], 1),
]


@pytest.mark.parametrize(("lines", "pools"), POOLS)
def test_processes_that_reply_for_one_host_each_are_different_pools(
    lines: list[tuple[str, int]], pools: int
) -> None:
    load = PoolLoad()
    for host, pid in lines:
        load.add(entry(host=host, pid=pid))
    assert load.pools == pools
