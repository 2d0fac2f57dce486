"""Polling until a condition holds."""

import time

import pytest

from extauth_http.ejabberd_api.polling import wait_until


class Clock:
    """A clock that only ``sleep`` moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock.monotonic)
    monkeypatch.setattr(time, "sleep", clock.sleep)
    return clock


def test_a_condition_that_holds_at_once_needs_no_sleep(clock: Clock) -> None:
    assert wait_until(lambda: True, interval=1.0)
    assert clock.now == 0.0


def test_polling_ends_when_the_condition_holds(clock: Clock) -> None:
    assert wait_until(lambda: clock.now >= 3.0, interval=1.0, timeout=10.0)
    assert clock.now == 3.0


@pytest.mark.parametrize(
    ("timeout", "attempts", "calls"), [(0.0, 1, 1), (0.0, 5, 5), (2.0, 1, 3), (2.0, 4, 4)]
)
def test_it_gives_up_after_the_timeout_and_the_attempts(
    clock: Clock, timeout: float, attempts: int, calls: int
) -> None:
    made: list[float] = []

    def condition() -> bool:
        made.append(clock.now)
        return False

    assert not wait_until(condition, interval=1.0, timeout=timeout, attempts=attempts)
    assert len(made) == calls


def test_an_error_of_the_condition_ends_the_polling(clock: Clock) -> None:
    def condition() -> bool:
        raise LookupError

    with pytest.raises(LookupError):
        wait_until(condition, interval=1.0, timeout=10.0)
    assert clock.now == 0.0
