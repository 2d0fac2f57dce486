"""The model of ejabberd's pool against measurements, and against pools whose times are known."""

import pytest

from extauth_http.ejabberd_pool import (
    MAX_RATIO,
    MAX_SIZE,
    STEPS_WITH_SQL,
    Load,
    answer_times,
    is_overloaded,
    is_sufficient,
    last_wait,
    refused,
    sufficient_size,
)

MEASURED = [
    # logins per second, ms of one login, pool, measured p50 and p99 in ms
    (50, 204, 16, 235, 781),
    (50, 204, 36, 203, 239),
    (100, 204, 32, 220, 763),
    (100, 204, 64, 204, 258),
    (200, 204, 64, 217, 790),
    (200, 204, 96, 205, 378),
    (200, 204, 128, 204, 238),
    (200, 54, 16, 65, 231),
    (200, 54, 36, 53, 68),
]


@pytest.mark.parametrize(("rate", "login", "pool", "p50", "p99"), MEASURED)
def test_the_simulation_finds_what_was_measured_with_a_real_ejabberd(
    rate: int, login: int, pool: int, p50: int, p99: int
) -> None:
    """The table in ``docs/scaling.md``."""
    times = answer_times(Load(rate * 20, 20, login / 1000), pool)
    assert times.p50 * 1000 == pytest.approx(p50, rel=0.1)
    assert times.p99 * 1000 == pytest.approx(p99, rel=0.2)


def test_nobody_waits_if_only_questions_move_the_counter_and_a_round_takes_longer() -> None:
    times = answer_times(Load(6000, 30, 0.2, steps=1), 64)
    assert (times.p50, times.p99, times.waited) == (0.2, 0.2, 0.0)


def test_with_many_other_steps_members_are_chosen_at_random() -> None:
    """Then a member is busy with the probability of its load."""
    assert answer_times(Load(6000, 30, 0.2, steps=1000), 64).waited == pytest.approx(40 / 64, 0.05)


def test_one_member_is_a_queue_with_the_known_waiting_time() -> None:
    """M/D/1 with a load of one half: half of the questions wait, and 99% are answered within about
    4 times the service's time."""
    times = answer_times(Load(100_000, 20_000, 0.1, steps=1), 1)
    assert times.waited == pytest.approx(0.5, rel=0.05)
    assert times.p50 == pytest.approx(0.1, rel=0.05)
    assert times.p99 == pytest.approx(0.4, rel=0.15)


def test_the_same_load_always_has_the_same_result() -> None:
    load = Load(500, 10, 0.1)
    assert answer_times(load, 8) == answer_times(load, 8)


LOADS = [
    # clients, seconds, seconds of the service
    (1, 60, 0.2),
    (300, 60, 0.2),
    (5000, 60, 0.1),
    (6000, 30, 0.2),
]


@pytest.mark.parametrize(("clients", "seconds", "service"), LOADS)
def test_the_sufficient_size_is_the_smallest_one_that_is_sufficient(
    clients: int, seconds: float, service: float
) -> None:
    load = Load(clients, seconds, service)
    size = sufficient_size(load)
    assert size
    assert answer_times(load, size).p99 <= MAX_RATIO * service
    assert size == 1 or not is_sufficient(load, size - 1)
    with_sql = sufficient_size(Load(clients, seconds, service, STEPS_WITH_SQL))
    assert with_sql
    assert with_sql >= size


@pytest.mark.parametrize(("clients", "seconds", "service"), LOADS)
def test_three_members_per_login_in_progress_and_six_more_are_sufficient(
    clients: int, seconds: float, service: float
) -> None:
    """The rule in ``docs/scaling.md``, which needs no simulation."""
    load = Load(clients, seconds, service)
    size = sufficient_size(load)
    assert size
    assert size <= 3 * load.at_once + 6


def test_no_pool_of_a_thousand_members_is_sufficient_for_a_thousand_logins_in_progress() -> None:
    assert sufficient_size(Load(60_000, 60, 1.0)) is None
    assert not is_overloaded(Load(60_000, 60, 1.0), MAX_SIZE)


OVERLOADS = [
    # clients, seconds, seconds of the service, pool, wait of the last one, refused
    (600, 10, 0.1, 4, 5.0, 0),
    (600, 10, 0.1, 1, 50.0, 200),
    (10_000, 60, 0.25, 8, 252.5, 7120),
]


@pytest.mark.parametrize(("clients", "seconds", "service", "pool", "last", "lost"), OVERLOADS)
def test_an_overloaded_pool_works_without_a_pause_and_leaves_a_queue(
    clients: int, seconds: float, service: float, pool: int, last: float, lost: int
) -> None:
    load = Load(clients, seconds, service)
    assert is_overloaded(load, pool)
    assert not is_sufficient(load, pool)
    assert last_wait(load, pool) == pytest.approx(last)
    assert refused(load, pool) == lost
