"""Compare the model of ejabberd's pool with real clients of a real ejabberd.

``python -m benchmarks.pool_waits`` prints the table of ``docs/scaling.md``. The pool members are
relays, the service answers yes after a fixed time, and the clients log in at random times. The
model gets the time of a login that does not wait, which is measured with few of them. Each
percentile is the median of some rounds, because other load on the machine delays single answers.
"""

import statistics

from benchmarks import client_streams
from benchmarks.pool import PATIENCE, Bench, bench
from benchmarks.through_ejabberd import ejabberd
from extauth_http.ejabberd_pool import AnswerTimes, Load, answer_times, sufficient_size

ROUNDS = 3
SECONDS = 20
RARE, ENOUGH = 3, 16
"""Logins per second and a pool for which no login waits."""

POINTS = {
    # milliseconds of the service: logins per second and pool
    200: [(50, 16), (50, 36), (100, 32), (100, 64), (200, 64), (200, 96), (200, 128)],
    50: [(200, 16), (200, 36)],
}
HEAD = [
    "logins per second",
    "one login",
    "pool",
    "p50: model",
    "measured",
    "p99: model",
    "measured",
]
HEAD += ["sufficient pool"]


def measured(running: Bench, rate: int, pool: int) -> list[float]:
    """The answer times of all logins in seconds; a login that was refused counts as 30 s."""
    with ejabberd(running.relay(running.slow_socket), pool) as server:
        server.whole_pool()
        logins = client_streams.run(server.c2s_port, rate * SECONDS, SECONDS, pause=1.0)
    return [each.seconds if each.let_in else PATIENCE for each in logins]


def row(load: Load, pool: int, rounds: list[list[float]]) -> list[str]:
    model: AnswerTimes = answer_times(load, pool)
    p50 = statistics.median(statistics.median(each) for each in rounds)
    p99 = statistics.median(statistics.quantiles(each, n=100)[98] for each in rounds)
    service = f"{load.service_seconds * 1000:.0f} ms"
    return [
        f"{load.rate:.0f}",
        service,
        str(pool),
        *(f"{seconds * 1000:.0f} ms" for seconds in (model.p50, p50, model.p99, p99)),
        str(sufficient_size(load)),
    ]


def main() -> None:
    rows: list[list[str]] = []
    for milliseconds, points in POINTS.items():
        with bench(milliseconds) as running:
            alone = statistics.median(measured(running, RARE, ENOUGH))
            for rate, pool in points:
                load = Load(rate * SECONDS, SECONDS, alone)
                rounds = [measured(running, rate, pool) for _ in range(ROUNDS)]
                rows.append(row(load, pool, rounds))
    for line in (HEAD, ["---"] * len(HEAD), *rows):
        print(f"| {' | '.join(line)} |")


if __name__ == "__main__":
    main()
