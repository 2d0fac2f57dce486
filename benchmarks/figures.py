"""The measurements: each function returns the numbers of one part of ``docs/performance.md``."""

import asyncio
import contextlib
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.ejabberd import Ejabberd

from benchmarks.pool import Bench, Member, private, pss, storm
from benchmarks.through_ejabberd import ejabberd, log_in

Step = Callable[[], None]
"""Called after each step, for the progress bar."""

TICK = os.sysconf("SC_CLK_TCK")


def latencies(
    bench: Bench, step: Step, rounds: int = 20, asks: int = 200
) -> dict[str, list[float]]:
    """Seconds of each reply by pool member. The pool members take turns in rounds."""
    return _latencies(bench.commands(), step, rounds, asks)


def two_segment_latencies(bench: Bench, step: Step) -> dict[str, list[float]]:
    """The same with a service that writes headers and body in two segments."""
    return _latencies(bench.two_segment_commands(), step, rounds=5, asks=20)


def _latencies(
    commands: dict[str, list[str]], step: Step, rounds: int, asks: int
) -> dict[str, list[float]]:
    with contextlib.ExitStack() as stack:
        members = {name: Member(command) for name, command in commands.items()}
        for member in members.values():
            stack.callback(member.close)
            for _ in range(asks):
                member.ask()
        found: dict[str, list[float]] = {name: [] for name in members}
        for _ in range(rounds):
            for name, member in members.items():
                found[name] += [member.ask() for _ in range(asks)]
            step()
    return found


def starts(bench: Bench, step: Step, rounds: int = 11) -> dict[str, float]:
    """Median seconds from the start of a process to its first reply."""
    commands = {**bench.commands(), "relay": bench.relay(bench.socket)}
    del commands["relay and serve"]
    found: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            started = time.perf_counter()
            member = Member(command)
            member.ask()
            found[name].append(time.perf_counter() - started)
            member.close()
        step()
    return {name: statistics.median(seconds) for name, seconds in found.items()}


def own_memory(bench: Bench) -> dict[str, float]:
    """Private MB of one process after a reply."""
    bare = [sys.executable, "-c", "import os\nwhile os.read(0, 99): os.write(1, b'\\0\\2\\0\\1')"]
    commands = {**bench.commands(), "relay": bench.relay(bench.socket), "bare Python": bare}
    del commands["relay and serve"]
    found = {}
    for name, command in commands.items():
        member = Member(command)
        member.ask()
        found[name] = private(member.pid)
        member.close()
    return found


def pool_memory(bench: Bench, step: Step) -> dict[str, dict[int, float]]:
    """MB (PSS) of a whole pool by its size: relays with their `serve`, or complete programs."""
    found: dict[str, dict[int, float]] = {"relay and serve": {}, "extauth-http": {}}
    for name, sizes in {"relay and serve": (1, 8, 64, 256), "extauth-http": (1, 8, 64)}.items():
        for size in sizes:
            members = [Member(bench.commands()[name]) for _ in range(size)]
            for member in members:
                member.ask()
            weight = sum(pss(member.pid) for member in members)
            found[name][size] = weight + (bench.weight() if name == "relay and serve" else 0)
            for member in members:
                member.close()
            step()
    return found


def storms(
    bench: Bench, step: Step, logins: int = 1000, sizes: tuple[int, ...] = (2, 8, 16, 32, 64, 128)
) -> dict[int, list[float]]:
    """The times of the replies by pool size, without those that came too late for ejabberd."""
    found = {}
    for size in sizes:
        found[size] = asyncio.run(storm(bench.relay(bench.slow_socket), size, logins))
        step()
    return found


def rates(bench: Bench, step: Step, rounds: int = 5, logins: int = 600) -> dict[str, float]:
    """Median logins per second through a real ejabberd: pool of 8, 16 logins at a time."""
    with contextlib.ExitStack() as stack:
        servers = {
            name: stack.enter_context(ejabberd(command, 8))
            for name, command in bench.commands().items()
        }
        for server in servers.values():
            log_in(server, logins, 16)
        found: dict[str, list[float]] = {name: [] for name in servers}
        for _ in range(rounds):
            for name, server in servers.items():
                run = log_in(server, logins, 16)
                if run.allowed != run.logins:
                    raise ValueError(f"{name}: {run.logins - run.allowed} logins were lost")
                found[name].append(run.rate)
            step()
    return {name: statistics.median(values) for name, values in found.items()}


@dataclass(frozen=True, slots=True)
class Growth:
    """A pool under a number of logins; ``cpu`` is milliseconds of CPU time per login, by part."""

    pool: int
    logins: int
    lost: int
    rate: float
    cpu: dict[str, float]
    serve_mb: float


def growth(
    bench: Bench,
    step: Step,
    runs: tuple[tuple[int, int], ...] = (
        (1, 1000),
        (8, 1000),
        (64, 1000),
        (256, 1000),
        (64, 10_000),
        (64, 50_000),
    ),
) -> list[Growth]:
    """Pools and numbers of logins through a real ejabberd: relays with one `serve`."""
    found = []
    for pool, logins in runs:
        with ejabberd(bench.relay(bench.socket), pool) as server:
            log_in(server, 4 * pool, pool)
            before = _cpu(bench, server)
            run = log_in(server, logins, min(64, 4 * pool))
            after = _cpu(bench, server)
            cpu = {part: (after[part] - before[part]) / logins * 1000 for part in before}
            lost = run.logins - run.allowed
            found.append(Growth(pool, logins, lost, run.rate, cpu, bench.weight()))
        step()
    return found


def _cpu(bench: Bench, server: Ejabberd) -> dict[str, float]:
    members = server.program_pids()
    parts = {
        "ejabberd": set(server._processes()) - members,
        "relays": members,
        "serve": bench.serve_pids(),
        "service": {bench.service_pid},
        "client": {os.getpid()},
    }
    return {part: sum(map(_seconds, pids)) for part, pids in parts.items()}


def _seconds(pid: int) -> float:
    """The CPU time of a process until now."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICK
