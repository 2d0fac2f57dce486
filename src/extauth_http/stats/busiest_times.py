"""The busiest minute and the busiest ten seconds, in memory that does not grow with the log."""

from dataclasses import dataclass

MINUTE = 60.0
MAX_OPEN_MINUTES = 4

PERIOD = 10.0
"""Seconds. Clients that reconnect cause a load that is higher than the average of its minute."""

MAX_OPEN_PERIODS = 24


class BusiestMinute:
    """The largest sum within one minute. Entries may be out of order by a few minutes."""

    def __init__(self) -> None:
        self.minutes: dict[int, float] = {}
        self._largest = 0.0

    def add(self, minute: int, amount: float) -> None:
        self.minutes[minute] = self.minutes.get(minute, 0.0) + amount
        if len(self.minutes) > MAX_OPEN_MINUTES:
            self._largest = max(self._largest, self.minutes.pop(min(self.minutes)))

    @property
    def largest(self) -> float:
        return max(self._largest, *self.minutes.values(), 0.0)


@dataclass(slots=True)
class Questions:
    """The questions of ten seconds: how many, how many of them had waited in ejabberd, and the
    seconds until all of their replies, added up."""

    count: int = 0
    queued: int = 0
    seconds: float = 0.0


class MostQuestions:
    """The ten seconds with the most questions. Entries may be out of order by a few minutes."""

    def __init__(self) -> None:
        self.periods: dict[int, Questions] = {}
        self._most = Questions()

    def add(self, period: int, seconds: float, *, is_queued: bool) -> None:
        questions = self.periods.setdefault(period, Questions())
        questions.count += 1
        questions.queued += is_queued
        questions.seconds += seconds
        if len(self.periods) > MAX_OPEN_PERIODS:
            closed = self.periods.pop(min(self.periods))
            self._most = max(self._most, closed, key=_count)

    @property
    def most(self) -> Questions:
        return max((self._most, *self.periods.values()), key=_count)


def _count(questions: Questions) -> int:
    return questions.count
