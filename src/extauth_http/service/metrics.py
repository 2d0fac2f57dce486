"""Numbers for Prometheus: counted in each process, added up by the one that answers scrapes.

The processes share them through files in a folder that ``PROMETHEUS_MULTIPROC_DIR`` names before
this is imported (``prometheus_client``'s multi-process mode), so that a count does not begin anew
with a process that was restarted.
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
MAX_REASONS = 100
"""Reasons with a label of their own. The program has some thirty; a plugin may make up more."""

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 2, 4, 8, 16, 30)
"""Seconds; dense where services answer, and one bound at the default deadline."""


FILE_BYTES = 16_384
"""What each file has room for at first."""

ENTRY_BYTES = 32
"""What an entry of a file takes beside its name, at most."""


SILENT_SECONDS = 5.0
"""How long a scraper may say nothing. Without an end to that, those who never do hold every
descriptor, and the process that waits for one more turns round and round."""


class _Allotted(MmapedDict):
    """A file that has its place on the disk before it is written to, or raises OSError.

    It is written through a mapping: where the disk is full that does not fail, it ends the process
    (SIGBUS), and with it each login that is under way.
    """

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        if not Path(filename).exists():
            # Under another name until it has its place: who adds up cannot read an empty file.
            draft = Path(f"{filename}.new")
            try:
                with draft.open("wb") as file:
                    os.posix_fallocate(file.fileno(), 0, FILE_BYTES)
                draft.rename(filename)
            except OSError:
                draft.unlink(missing_ok=True)
                raise
        super().__init__(filename, read_mode)  # type: ignore[no-untyped-call]

    def _init_value(self, key: str) -> None:
        end = self._used + len(key.encode()) + ENTRY_BYTES
        os.posix_fallocate(self._f.fileno(), 0, end)
        super()._init_value(key)  # type: ignore[no-untyped-call]


values.MmapedDict = _Allotted  # type: ignore[attr-defined]


class Metrics:
    """The numbers of one process. Raises OSError where its files have no room."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self._reasons: set[str] = set()
        self._answers = Counter(
            "extauth_http_answers",
            "Answers given, by what was asked and what became of it.",
            ["host", "operation", "verdict", "reason"],
            registry=registry,
        )
        self._seconds = Histogram(
            "extauth_http_answer_seconds",
            "Time from a whole packet to its answer.",
            ["host", "operation"],
            buckets=BUCKETS,
            registry=registry,
        )
        self._under_way = Gauge(
            "extauth_http_requests_under_way",
            "Packets that wait for their answer.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._connections = Gauge(
            "extauth_http_connections",
            "Connections from relays: pool members of ejabberd.",
            multiprocess_mode="livesum",
            registry=registry,
        )

    def connected(self) -> None:
        self._connections.inc()

    def disconnected(self) -> None:
        self._connections.dec()

    def begun(self) -> None:
        self._under_way.inc()

    def answered(self, outcome: Outcome, hosts: Collection[str]) -> None:
        """Counts an outcome. A host is named where the configuration names it: whoever can make
        ejabberd ask for one that it does not have must not be able to make up labels."""
        self._under_way.dec()
        host = outcome.command.host if outcome.command else OTHER
        if host not in hosts:
            host = OTHER
        operation = outcome.operation.value if outcome.operation else "none"
        answer = outcome.decision.answer
        self._answers.labels(
            host, operation, answer.verdict.value, self._known(answer.reason)
        ).inc()
        self._seconds.labels(host, operation).observe(outcome.seconds)

    def _known(self, reason: str) -> str:
        if reason not in self._reasons:
            if len(self._reasons) >= MAX_REASONS:
                return OTHER
            self._reasons.add(reason)
        return reason


def export(address: str, port: int, lifeline: int) -> None:
    """Answers scrapes at ``http://address:port/metrics`` until the parent is gone."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    socket.setdefaulttimeout(SILENT_SECONDS)
    start_http_server(port, address, registry=registry)
    select.select([lifeline], [], [])


def forget(pid: int) -> None:
    """Takes what a process that has ended held open out of the gauges."""
    mark_process_dead(pid)  # type: ignore[no-untyped-call]
