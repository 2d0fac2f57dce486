"""Events of many requests share a commit, and each request learns its own result."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from extauth_http.signals.committer import Committer
from extauth_http.signals.events import Arrival
from extauth_http.signals.queue import Queue, QueueError
from tests.signals.test_queue import arrival


class CountingQueue(Queue):
    """Counts commits, and fails if ``failure`` is set."""

    commits = 0
    failure: Exception | None = None

    def add(self, arrivals: Sequence[Arrival]) -> list[bool]:
        self.commits += 1
        if self.failure:
            raise self.failure
        return super().add(arrivals)


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[CountingQueue]:
    with closing(CountingQueue(tmp_path / "signals.db")) as opened:
        yield opened


def add_all(queue: Queue, messages: list[list[Arrival]]) -> tuple[list[Any], int]:
    """The result of each message, and how often the worker was woken."""
    woken: list[int] = []

    async def run() -> list[Any]:
        committer = Committer(queue, lambda: woken.append(1))
        adding = [committer.add(message) for message in messages]
        found = await asyncio.wait_for(asyncio.gather(*adding, return_exceptions=True), 20)
        committer.close()
        return found

    return asyncio.run(run()), len(woken)


def test_a_thousand_requests_need_few_commits(queue: CountingQueue) -> None:
    found, woken = add_all(queue, [[arrival(f"e{number}")] for number in range(1000)])
    assert found == [[True]] * 1000
    assert queue.commits <= 3
    assert woken == queue.commits


def test_each_request_learns_what_was_new(queue: CountingQueue) -> None:
    messages = [[arrival("a"), arrival("b")], [arrival("a")], [], [arrival("c")]]
    found, _ = add_all(queue, messages)
    assert found == [[True, True], [False], [], [True]]


def test_without_anything_new_the_worker_sleeps_on(queue: CountingQueue) -> None:
    add_all(queue, [[arrival("a")]])
    assert add_all(queue, [[arrival("a")]]) == ([[False]], 0)


@pytest.mark.parametrize(
    "failure", [QueueError("disk full"), UnicodeEncodeError("x", "y", 0, 1, "z")]
)
def test_no_request_waits_for_a_commit_that_failed(
    queue: CountingQueue, failure: Exception
) -> None:
    queue.failure = failure
    found, woken = add_all(queue, [[arrival("a")], [arrival("b")]])
    assert [type(each) for each in found] == [QueueError, QueueError]
    assert woken == 0
