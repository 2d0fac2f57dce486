"""How long a login waits in ejabberd for its pool member, and how large a pool has to be.

ejabberd does not look for a member that is free. It takes the next number of a counter, modulo the
size of the pool, and the question waits until this member has answered all earlier ones (18.06 to
26.07: ``extauth.erl`` calls ``p1_rand:round_robin``). The counter is
``erlang:unique_integer([monotonic, positive])``, the only one of the whole node. Therefore other
work skips members: each session that begins, each client connection that ends, and each SQL query
moves the counter as well.

The simulation does the same: events arrive at random times, each of them moves the counter, and
one of ``steps`` events is a question. It always uses the same random numbers, so the same load
always has the same result.
"""

import math
import random
from dataclasses import dataclass

from extauth_http.protocol.limits import EJABBERD_TIMEOUT

STEPS = 3
"""Steps of the counter per login: the question, the session, and the end of the connection."""

STEPS_WITH_SQL = 9
"""The same if ejabberd's modules store their data in SQL: a client that requests its roster and
sends its presence causes about six queries."""

MAX_RATIO = 1.2
"""The 99th percentile of the answer time that a sufficient pool has, as a multiple of the time that
the service takes."""

MAX_SIZE = 1024
"""The largest pool that is suggested."""

QUESTIONS = 10_000
"""Questions of one simulation: a hundred of them are the slowest percent."""


@dataclass(frozen=True, slots=True)
class Load:
    """``questions`` at random times within ``seconds``. The service takes ``service_seconds`` for
    each of them."""

    questions: int
    seconds: float
    service_seconds: float
    steps: float = STEPS

    @property
    def rate(self) -> float:
        """Questions per second."""
        return self.questions / self.seconds

    @property
    def at_once(self) -> float:
        """The average number of questions that the service works on at one time."""
        return self.rate * self.service_seconds


@dataclass(frozen=True, slots=True)
class AnswerTimes:
    """Seconds from the question to the answer. ``waited`` is the share of the questions whose
    member was not free."""

    p50: float
    p99: float
    waited: float


def is_overloaded(load: Load, size: int) -> bool:
    """Whether more questions arrive than the pool can answer, so that its queue grows."""
    return load.at_once >= size


def answer_times(load: Load, size: int) -> AnswerTimes:
    """Simulates a pool of ``size`` members."""
    numbers = random.Random(1)  # noqa: S311 - no secret comes from it
    free_at = [0.0] * size
    times: list[float] = []
    now = 0.0
    member = waited = 0
    event_rate = load.rate * load.steps
    while len(times) < QUESTIONS:
        now += numbers.expovariate(event_rate)
        member = (member + 1) % size
        if numbers.random() * load.steps >= 1:
            continue  # something else has moved the counter
        wait = max(free_at[member] - now, 0.0)
        waited += wait > 0
        free_at[member] = now + wait + load.service_seconds
        times.append(wait + load.service_seconds)
    times.sort()
    return AnswerTimes(times[QUESTIONS // 2], times[QUESTIONS * 99 // 100], waited / QUESTIONS)


def is_sufficient(load: Load, size: int) -> bool:
    """Whether 99 of 100 answers take at most ``MAX_RATIO`` times as long as the service."""
    if is_overloaded(load, size):
        return False
    return answer_times(load, size).p99 <= MAX_RATIO * load.service_seconds


def sufficient_size(load: Load) -> int | None:
    """The smallest sufficient pool. None if it has more than ``MAX_SIZE`` members."""
    too_small, enough = 0, MAX_SIZE
    if not is_sufficient(load, enough):
        return None
    while enough - too_small > 1:
        middle = (too_small + enough) // 2
        if is_sufficient(load, middle):
            enough = middle
        else:
            too_small = middle
    return enough


def last_wait(load: Load, size: int) -> float:
    """Seconds that the last question waits in the queue of an overloaded pool."""
    return load.questions * load.service_seconds / size - load.seconds


def refused(load: Load, size: int) -> int:
    """The number of questions that ejabberd refuses because no answer comes in time.

    In fact there are more, because the service also works on questions that are then too late.
    """
    answered = (load.seconds + EJABBERD_TIMEOUT) * size / load.service_seconds
    return max(load.questions - math.floor(answered), 0)
