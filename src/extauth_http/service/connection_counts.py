"""How many connections each worker of ``serve`` has, in memory that the workers share.

The kernel wakes all workers for a new connection, and the fastest one accepts it. Without these
counts, all pool members may be on one worker after another worker was restarted.
"""

import mmap

NOT_ACCEPTING = 0xFFFF_FFFF
"""The count of a worker that accepts no connections: it does not run, or it stops."""


class ConnectionCounts:
    """One count for each of ``workers``, of 4 bytes. Each worker writes only its own."""

    def __init__(self, workers: int) -> None:
        self._counts = memoryview(mmap.mmap(-1, 4 * workers)).cast("I")
        for worker in range(workers):
            self.stop(worker)

    def set(self, worker: int, count: int) -> None:
        self._counts[worker] = count

    def stop(self, worker: int) -> None:
        """The worker accepts no connections from now on."""
        self._counts[worker] = NOT_ACCEPTING

    def has_most(self, worker: int) -> bool:
        """Whether another worker that accepts connections has fewer of them."""
        return min(self._counts) < self._counts[worker]

    def surplus(self, worker: int) -> int:
        """The number of connections that this worker has above its share, rounded up."""
        counts = [count for count in self._counts if count != NOT_ACCEPTING]
        own = self._counts[worker]
        if own == NOT_ACCEPTING:
            return 0
        return max(0, own - -(-sum(counts) // len(counts)))
