"""Clients that log in through a real ejabberd: all at once, and at a constant rate.

``python -m benchmarks.storms`` runs only this measurement, prints its table and writes it into
``docs/performance.md``. Every second client has a wrong password, so that an answer for another
client is counted as a wrong verdict. The service takes 200 ms.
"""

import contextlib
import resource
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tests.e2e.ejabberd import Ejabberd

from benchmarks import client_streams, page
from benchmarks.pool import PATIENCE, Bench, bench, pss
from benchmarks.through_ejabberd import ejabberd, log_in

AT_ONCE = 1000
RATE, SECONDS = 200, 30
POOL = 64
RELAY = "relay and serve"
MORE_RELAYS = 128
"""Enough for this rate, according to the rule in ``docs/scaling.md``."""

STEPS = 5
"""How often ``storms`` calls its step: four pool members, and the larger pool of relays."""

OPEN_FILES = 8192
"""Each client is a connection of ejabberd; the usual limit is 1,024 open files."""


@dataclass(frozen=True, slots=True)
class Storm:
    """Some clients of one pool."""

    clients: str
    """When they logged in."""
    member: str
    pool: int
    let_in: int
    refused: int
    wrong: int
    """The clients with a wrong password that were let in, and those with the right password that
    were refused."""
    unanswered: int
    last_in: float
    """Seconds from the first client until the last one had its session."""
    p50: float
    p99: float
    """From the password to the answer. A client without an answer counts as 30 s."""
    pool_mb: float
    """PSS of all pool members, and of `serve` for relays."""


def storms(bench: Bench, step: Callable[[], object]) -> list[Storm]:
    """All storms; those at once come first."""
    _allow_open_files()
    at_once, at_a_rate = [], []
    for member, command in bench.slow_commands().items():
        with _whole_pool(command, POOL) as server:
            at_once.append(_storm(bench, server, member, AT_ONCE, 0))
            at_a_rate.append(_storm(bench, server, member, RATE * SECONDS, SECONDS))
        step()
        if member == RELAY:
            with _whole_pool(command, MORE_RELAYS) as server:
                at_a_rate.append(_storm(bench, server, member, RATE * SECONDS, SECONDS))
            step()
    return [*at_once, *at_a_rate]


def table(runs: Sequence[Storm]) -> str:
    """The table of all storms."""
    head = ["clients", "pool member", "pool", "let in", "refused", "wrong verdicts", "no answer"]
    head += ["last one in after", "p50", "p99", "memory of the pool (PSS)"]
    rows = [
        [
            run.clients,
            run.member,
            str(run.pool),
            *(f"{number:,}" for number in (run.let_in, run.refused, run.wrong, run.unanswered)),
            f"{run.last_in:.1f} s",
            *(f"{seconds * 1000:,.0f} ms" for seconds in (run.p50, run.p99)),
            f"{run.pool_mb:,.0f} MB",
        ]
        for run in runs
    ]
    return page.table(head, rows)


@contextlib.contextmanager
def _whole_pool(command: list[str], pool: int) -> Iterator[Ejabberd]:
    """A server whose pool members have all started and have answered."""
    with ejabberd(command, pool) as server:
        server.whole_pool()
        log_in(server, 4 * pool, pool)
        yield server


def _storm(bench: Bench, server: Ejabberd, member: str, clients: int, seconds: int) -> Storm:
    logins = client_streams.run(server.c2s_port, clients, seconds, wrong_passwords=True)
    times = [each.seconds if each.let_in is not None else PATIENCE for each in logins]
    processes = server.whole_pool()
    if member == RELAY:
        processes |= bench.serve_pids(slow=True)
    return Storm(
        clients=f"{clients // seconds}/s for {seconds} s" if seconds else f"{clients:,} at once",
        member=member,
        pool=server.config["extauth_pool_size"],
        let_in=sum(each.let_in is True for each in logins),
        refused=sum(each.let_in is False for each in logins),
        wrong=sum(each.is_wrong for each in logins),
        unanswered=sum(each.let_in is None for each in logins),
        last_in=max((each.ended for each in logins if each.let_in), default=0.0),
        p50=statistics.median(times),
        p99=statistics.quantiles(times, n=100)[98],
        pool_mb=sum(map(pss, processes)),
    )


def _allow_open_files() -> None:
    """For the processes that are started from now on."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if now < OPEN_FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(OPEN_FILES, most), most))


def main() -> None:
    with bench() as running:
        text = f"{page.machine()}\n{table(storms(running, lambda: None))}"
    print(text)
    if "--dry" not in sys.argv:
        page.write(page.STORMS, text)


if __name__ == "__main__":
    main()
