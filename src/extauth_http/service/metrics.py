"""Prometheus metrics: each worker counts, one process adds up and answers scrapes.

The workers share their values through files in the folder ``PROMETHEUS_MULTIPROC_DIR``
(``prometheus_client``'s multi-process mode). Set it before importing this module. A counter goes
on with its value after its worker is restarted.
"""

import os
import select
import socket
from collections.abc import Collection
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    start_http_server,
    values,
)
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from extauth_http.program.outcome import Outcome

OTHER = "other"
"""The label for hosts that are not in the configuration, and for reasons above ``MAX_REASONS``."""

MAX_REASONS = 100
"""Reasons with their own label. The program has about thirty; a plugin can add any number."""

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 2, 4, 8, 16, 30)
"""Seconds. Most buckets are where services usually answer; one bound is the default deadline."""

INITIAL_FILE_BYTES = 16_384
"""The space that is allocated for a new file of values."""

MAX_ENTRY_BYTES = 32
"""The most bytes that an entry of a file takes in addition to its name."""

SCRAPE_TIMEOUT = 5.0
"""Seconds that a client may send nothing. Without this limit, idle clients could use up all file
descriptors, and the process that accepts connections would then use all of a processor."""


class _AllocatedFile(MmapedDict):
    """A file of values whose disk space is allocated before each write. Raises OSError.

    prometheus_client writes through a memory mapping. On a full disk such a write does not fail:
    it ends the process (SIGBUS), and with it every login in progress.
    """

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        if not Path(filename).exists():
            # The file gets its name after the allocation. A scrape cannot read an empty file.
            draft = Path(f"{filename}.new")
            try:
                with draft.open("wb") as file:
                    os.posix_fallocate(file.fileno(), 0, INITIAL_FILE_BYTES)
                draft.rename(filename)
            except OSError:
                draft.unlink(missing_ok=True)
                raise
        super().__init__(filename, read_mode)  # type: ignore[no-untyped-call]

    def _init_value(self, key: str) -> None:
        end = self._used + len(key.encode()) + MAX_ENTRY_BYTES
        os.posix_fallocate(self._f.fileno(), 0, end)
        super()._init_value(key)  # type: ignore[no-untyped-call]


values.MmapedDict = _AllocatedFile  # type: ignore[attr-defined]


class Metrics:
    """The values of one worker. Raises OSError if there is no disk space for its files.

    ``registry`` is not used for scrapes: these read the files of all workers.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = registry or CollectorRegistry()
        self._reasons: set[str] = set()
        self._answers = Counter(
            "extauth_http_answers",
            "Answers by virtual host, operation, verdict and reason.",
            ["host", "operation", "verdict", "reason"],
            registry=registry,
        )
        self._seconds = Histogram(
            "extauth_http_answer_seconds",
            "Time from a complete packet to its reply.",
            ["host", "operation"],
            buckets=BUCKETS,
            registry=registry,
        )
        self._under_way = Gauge(
            "extauth_http_requests_under_way",
            "Packets that have no reply yet.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._connections = Gauge(
            "extauth_http_connections",
            "Connections from relays, that is from pool members of ejabberd.",
            multiprocess_mode="livesum",
            registry=registry,
        )

    def connection_opened(self) -> None:
        self._connections.inc()

    def connection_closed(self) -> None:
        self._connections.dec()

    def packet_received(self) -> None:
        self._under_way.inc()

    def packet_answered(self, outcome: Outcome, hosts: Collection[str]) -> None:
        """Counts an outcome. ``hosts`` are the virtual hosts that the configuration names.

        Other hosts share one label. Otherwise a client that can choose the host of a request
        could create any number of labels.
        """
        self._under_way.dec()
        host = outcome.command.host if outcome.command else OTHER
        if host not in hosts:
            host = OTHER
        operation = outcome.operation.value if outcome.operation else "none"
        answer = outcome.decision.answer
        reason = self._reason_label(answer.reason)
        self._answers.labels(host, operation, answer.verdict.value, reason).inc()
        self._seconds.labels(host, operation).observe(outcome.seconds)

    def _reason_label(self, reason: str) -> str:
        if reason not in self._reasons:
            if len(self._reasons) >= MAX_REASONS:
                return OTHER
            self._reasons.add(reason)
        return reason


def serve_metrics(address: str, port: int, parent_pipe: int) -> None:
    """Answers scrapes at ``http://address:port/metrics`` until ``parent_pipe`` is readable."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    socket.setdefaulttimeout(SCRAPE_TIMEOUT)
    start_http_server(port, address, registry=registry)
    select.select([parent_pipe], [], [])


def remove_gauges(pid: int) -> None:
    """Removes the gauges of a worker that has ended. Its counters stay."""
    mark_process_dead(pid)  # type: ignore[no-untyped-call]
