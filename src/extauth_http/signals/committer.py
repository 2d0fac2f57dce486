"""Commits events in groups: requests that arrive during a commit share the next one.

A commit waits for the disk. With one commit for each event, a thousand events at the same moment
would wait for a thousand disk writes, one after the other.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from extauth_http.signals.events import Arrival
from extauth_http.signals.queue import Queue, QueueError

MAX_GROUP = 500  # messages

Waiting = tuple[Sequence[Arrival], "asyncio.Future[list[bool]]"]


class Committer:
    """Used from one event loop. ``on_commit`` is called after each commit with new events."""

    def __init__(self, queue: Queue, on_commit: Callable[[], None]) -> None:
        self._queue = queue
        self._on_commit = on_commit
        self._thread = ThreadPoolExecutor(1, "commit")
        self._waiting: list[Waiting] = []
        self._task: asyncio.Task[None] | None = None

    async def add(self, arrivals: Sequence[Arrival]) -> list[bool]:
        """Whether each of the events of one message was new; all are committed when this returns.

        Raises QueueError: then none of them is in the queue.
        """
        added: asyncio.Future[list[bool]] = asyncio.get_running_loop().create_future()
        self._waiting.append((arrivals, added))
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        return await added

    def close(self) -> None:
        self._thread.shutdown()

    async def _run(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting[:MAX_GROUP], self._waiting[MAX_GROUP:]
                await self._commit(group)
        finally:
            self._task = None

    async def _commit(self, group: list[Waiting]) -> None:
        loop = asyncio.get_running_loop()
        arrivals = [arrival for message, _ in group for arrival in message]
        try:
            added = await loop.run_in_executor(self._thread, self._queue.add, arrivals)
        except Exception as error:  # noqa: BLE001 - a request must not wait for ever
            text = str(error) if isinstance(error, QueueError) else type(error).__name__
            for _, future in group:
                if not future.done():
                    future.set_exception(QueueError(text))
            return
        if any(added):
            self._on_commit()
        for message, future in group:
            mine, added = added[: len(message)], added[len(message) :]
            if not future.done():
                future.set_result(mine)
