"""The report of the long run, in Markdown."""

import dataclasses
import itertools
import statistics
from collections.abc import Sequence

from tests.soak.clients import Login, Result

SLOW_SECONDS = 1.0
"""A login that takes longer than this counts as not yet recovered."""


@dataclasses.dataclass(frozen=True)
class FaultRun:
    """One fault. ``begin`` and ``end`` are in seconds on the clock of the logins."""

    name: str
    begin: float
    end: float


@dataclasses.dataclass(frozen=True)
class Sample:
    """The state of the processes, once a minute. Memory is in MB (PSS)."""

    minute: int
    serve_memory: float
    serve_descriptors: int
    relay_memory: float
    relays: int


@dataclasses.dataclass(frozen=True)
class SoakRun:
    """All that was recorded."""

    seconds: float
    logins: Sequence[Login]
    faults: Sequence[FaultRun]
    samples: Sequence[Sample]
    ejabberd_restarts: int

    @property
    def is_correct(self) -> bool:
        return not self.ejabberd_restarts and not any(login.is_wrong for login in self.logins)


def logins_of(run: SoakRun) -> dict[str, list[tuple[FaultRun, list[Login]]]]:
    """For each kind of fault: its runs, each with the logins that ended until the next fault."""
    found: dict[str, list[tuple[FaultRun, list[Login]]]] = {}
    for fault, following in itertools.zip_longest(run.faults, run.faults[1:]):
        end = following.begin if following else float("inf")
        logins = [login for login in run.logins if fault.begin <= login.ended < end]
        found.setdefault(fault.name, []).append((fault, logins))
    return found


def recovery(fault: FaultRun, logins: Sequence[Login]) -> float:
    """Seconds from the begin of a fault to the end of the last login that it lost or delayed."""
    affected = (each.ended for each in logins if each.is_lost or each.seconds > SLOW_SECONDS)
    return max(affected, default=fault.begin) - fault.begin


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def fault_table(run: SoakRun) -> str:
    rows = []
    for name, runs in logins_of(run).items():
        lost = [sum(login.is_lost for login in logins) for _, logins in runs]
        every = [login for _, logins in runs for login in logins]
        rows.append(
            [
                name,
                str(len(runs)),
                str(sum(login.is_wrong for login in every)),
                str(sum(lost)),
                str(max(lost)),
                f"{max(fault.end - fault.begin for fault, _ in runs):.1f} s",
                f"{max(recovery(fault, logins) for fault, logins in runs):.1f} s",
                f"{max((login.seconds for login in every), default=0.0):.1f} s",
            ]
        )
    head = ["fault", "times", "wrong verdicts", "right logins not admitted", "at most at a time"]
    head += ["over after at most", "recovered after at most", "slowest answer"]
    return table(head, rows)


def sample_table(run: SoakRun, step: int) -> str:
    rows = [
        [
            str(sample.minute),
            f"{sample.serve_memory:.1f} MB",
            str(sample.serve_descriptors),
            f"{sample.relay_memory:.1f} MB",
            str(sample.relays),
        ]
        for sample in run.samples[::step]
    ]
    head = ["minute", "memory of `serve`", "its open files", "memory of the relays", "relays"]
    return table(head, rows)


def summary(run: SoakRun) -> str:
    right = [login for login in run.logins if login.has_right_password]
    admitted = [login.seconds for login in right if login.result is Result.ADMITTED]
    lines = [
        f"- {run.seconds / 60:.1f} minutes, {len(run.faults)} faults, {len(run.logins):,} logins",
        f"- wrong verdicts: {sum(login.is_wrong for login in run.logins)}",
        f"- right passwords: {len(right):,}, not admitted: {len(right) - len(admitted):,}",
        f"- restarts of ejabberd: {run.ejabberd_restarts}",
    ]
    if len(admitted) > 1:
        p99 = statistics.quantiles(admitted, n=100)[98]
        median = statistics.median(admitted)
        lines.append(f"- answers: p50 {median * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms")
    return "\n".join(lines)


def failures(run: SoakRun) -> str:
    """How many logins had no answer, by what happened."""
    without = sorted(each.detail for each in run.logins if each.result is Result.NO_ANSWER)
    counted = [(detail, len([*same])) for detail, same in itertools.groupby(without)]
    return "\n".join(f"- {count} without an answer: {detail}" for detail, count in counted)


def report(run: SoakRun, step: int = 1) -> str:
    """The whole report. ``step`` is the distance between two rows of the table of samples."""
    parts = [summary(run), failures(run), fault_table(run), sample_table(run, step)]
    return "\n\n".join(part for part in parts if part) + "\n"
