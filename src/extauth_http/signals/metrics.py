"""Numbers for Prometheus."""

from enum import Enum

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from extauth_http.signals.events import Source
from extauth_http.signals.queue_entry import Summary
from extauth_http.signals.rejection import Reason

BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600, 21_600, 86_400)
"""Seconds. A second is the aim; the rest is for an ejabberd that was down."""


class SweepResult(Enum):
    """The result of a sweep. ``REFUSED``: it ended nobody, because it would have ended too many,
    or because the service gave no answers."""

    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


class Metrics:
    """The numbers of one process. Safe to use from several threads."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        by_source = ["source"]
        self.received = self._counter("received", "Messages received.", by_source)
        self.verified = self._counter("verified", "Messages verified.", by_source)
        self.rejected = self._counter("rejected", "Messages rejected.", ["source", "reason"])
        self.queued = self._counter("queued", "Events committed to the queue.", by_source)
        self.ignored = self._counter("ignored", "Events without a meaning here.", by_source)
        self.done = self._counter("done", "Events whose sessions have ended.", by_source)
        self.failed = self._counter("failed", "Events given up.", by_source)
        self.retries = self._counter("retries", "Attempts that will be repeated.", by_source)
        for source in Source:
            for counter in (self.received, self.verified, self.queued, self.done, self.failed):
                counter.labels(source.value)
            for reason in Reason:
                self.rejected.labels(source.value, reason.value)
        self.sweeps = self._counter("sweeps", "Sweeps.", ["result"])
        for result in SweepResult:
            self.sweeps.labels(result.value)
        self.swept = self._counter("swept", "Users whose sessions a sweep has ended.", [])
        self.seconds = Histogram(
            "extauth_http_signals_seconds",
            "Time from the reception of an event to its verified end.",
            by_source,
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._waiting = self._gauge("waiting", "Events in the queue that are not done.")
        self._given_up = self._gauge("given_up", "Events in the queue that were given up.")
        self._oldest = self._gauge("oldest_seconds", "Age of the oldest event that waits.")
        self._server_up = self._gauge("ejabberd_up", "1 if the admin API can be reached.")
        self._server_up.set(1)

    def server_up(self, is_up: bool) -> None:
        self._server_up.set(int(is_up))

    def text(self, summary: Summary) -> bytes:
        """All numbers, in the text format of Prometheus."""
        self._waiting.set(summary.waiting)
        self._given_up.set(summary.failed)
        self._oldest.set(summary.oldest)
        return generate_latest(self._registry)

    def _counter(self, name: str, text: str, labels: list[str]) -> Counter:
        return Counter(f"extauth_http_signals_{name}", text, labels, registry=self._registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"extauth_http_signals_{name}", text, registry=self._registry)
