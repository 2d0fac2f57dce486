"""Write the measured part of ``docs/performance.md``: the tables between two marks, and plots."""

import platform
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from benchmarks.figures import Growth
from benchmarks.pool import PATIENCE

DOCS = Path(__file__).parents[1] / "docs"
BENCH, STORMS = "bench", "storms"
"""The names of the measured parts of the page."""
COLOURS = ("#444444", "#0b6e4f", "#08a045", "#c1121f", "#e07a5f", "#3d5a80")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def machine(floor_is_c: bool | None = None) -> str:
    """The date, the machine and the versions of a measurement, with or without the floor."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "?")
    cores = sum(line.startswith("processor") for line in lines)
    shown = subprocess.run(
        ["dpkg-query", "-W", "-f=${Version}", "ejabberd"], capture_output=True, text=True
    ).stdout
    names = ("httptools", "httpx", "pydantic-settings", "structlog", "requests")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    floor = "" if floor_is_c is None else f"; floor in {'C' if floor_is_c else 'Python'}"
    return (
        f"Measured on {datetime.now(UTC):%Y-%m-%d} on {cores} cores of {model}, Linux "
        f"{platform.release()}, Python {platform.python_version()}, ejabberd {shown or '?'}, "
        f"{versions}{floor}.\n"
    )


def figures(
    latency: Mapping[str, Sequence[float]],
    start: Mapping[str, float],
    own: Mapping[str, float],
    pools: Mapping[str, Mapping[int, float]],
    storms: Mapping[int, Sequence[float]],
    rates: Mapping[str, float],
) -> str:
    """The table of the goals, and the table of the pool members."""
    medians = {name: statistics.median(values) for name, values in latency.items()}
    floor = medians["floor"]
    ideal = 1000 * 0.2 / 64
    took = max(storms[64])
    goals = [
        ("median time of one reply, to the floor", "≤ 4.0", medians["extauth-http"] / floor, ""),
        (
            "median time of one reply through relay and `serve`, to that of the program",
            "≤ 1.6",
            medians["relay and serve"] / medians["extauth-http"],
            "",
        ),
        ("start to first reply, `extauth-http`", "≤ 150 ms", start["extauth-http"] * 1e3, " ms"),
        ("start to first reply, `relay`", "≤ 40 ms", start["relay"] * 1e3, " ms"),
        ("private memory of a `relay`", "≤ 4 MB", own["relay"], " MB"),
        (
            "pool of 64 with `serve`, all processes (PSS)",
            "≤ 400 MB",
            pools["relay and serve"][64],
            " MB",
        ),
        ("pool of 256 with `serve` (PSS)", "≤ 400 MB", pools["relay and serve"][256], " MB"),
        (
            f"1,000 logins at once, service at 200 ms, pool of 64, to the ideal {ideal:.1f} s "
            f"({1000 - len(storms[64])} lost)",
            "≤ 1.15",
            took / ideal,
            "",
        ),
        (
            "logins per second through ejabberd, to the floor",
            "≥ 0.5",
            rates["extauth-http"] / rates["floor"],
            "",
        ),
    ]
    reached = [
        (name, goal, f"{value:.3g}{unit}", "yes" if _holds(goal, value) else "**no**")
        for name, goal, value, unit in goals
    ]
    beside = [
        (
            name,
            f"{medians[name] * 1e6:.0f} µs",
            f"{medians[name] / floor:.2f}",
            f"{statistics.quantiles(latency[name], n=100)[98] * 1e6:.0f} µs",
            f"{start[name if name != 'relay and serve' else 'relay'] * 1e3:.0f} ms",
            f"{own[name if name != 'relay and serve' else 'relay']:.1f} MB",
            f"{rates[name]:.0f}",
            f"{rates[name] / rates['floor']:.2f}",
        )
        for name in latency
    ]
    return "\n".join(
        [
            table(("figure", "goal", "measured", "reached"), reached),
            table(
                (
                    "pool member",
                    "one reply (median)",
                    "to the floor",
                    "99th percentile",
                    "start to first reply",
                    "private memory",
                    "logins per second, ejabberd",
                    "to the floor",
                ),
                beside,
            ),
        ]
    )


def two_segments(latency: Mapping[str, Sequence[float]]) -> str:
    """The table of a service that writes headers and body in two segments."""
    return table(
        ("pool member, service that sends headers and body in two segments", "one reply (median)"),
        [(name, f"{statistics.median(values) * 1e3:.2f} ms") for name, values in latency.items()],
    )


def _holds(goal: str, value: float) -> bool:
    sign, number = goal.split()[:2]
    return value <= float(number) if sign == "≤" else value >= float(number)


def grown(runs: Sequence[Growth]) -> str:
    """The table of pools and numbers of logins."""
    parts = list(runs[0].cpu)
    return table(
        (
            "pool",
            "logins",
            "lost",
            "logins per second",
            *(f"CPU: {part}" for part in parts),
            "serve",
        ),
        [
            (
                str(run.pool),
                f"{run.logins:,}",
                str(run.lost),
                f"{run.rate:.0f}",
                *(f"{run.cpu[part]:.2f} ms" for part in parts),
                f"{run.serve_mb:.0f} MB",
            )
            for run in runs
        ],
    )


def plots(
    latency: Mapping[str, Sequence[float]],
    pools: Mapping[str, Mapping[int, float]],
    storms: Mapping[int, Sequence[float]],
) -> str:
    """Draws into ``docs/performance/`` and returns the lines that show the pictures."""
    folder = DOCS / "performance"
    folder.mkdir(exist_ok=True)
    mpl.use("Agg")

    figure, axes = plt.subplots(figsize=(8, 4))
    for (name, values), colour in zip(latency.items(), COLOURS, strict=False):
        ordered = sorted(values)
        share = [(number + 1) / len(ordered) for number in range(len(ordered))]
        axes.plot([value * 1e6 for value in ordered], share, label=name, color=colour)
    axes.set(xscale="log", xlabel="µs until the reply", ylabel="share of replies")
    axes.set_title("Time of one reply")
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    _save(figure, folder / "latency.png")

    figure, axes = plt.subplots(figsize=(8, 4))
    for (size, answered), colour in zip(storms.items(), COLOURS, strict=False):
        ordered = sorted(answered)
        label = f"pool of {size}"
        axes.plot([0, *ordered], range(len(ordered) + 1), label=label, color=colour)
    axes.axvline(PATIENCE, color="black", linestyle=":", label="ejabberd gives up")
    axes.set(xlabel="seconds since the first request", ylabel="logins answered")
    axes.set_title("1,000 logins at once, a service that takes 200 ms")
    axes.grid(alpha=0.3)
    axes.legend()
    _save(figure, folder / "storm.png")

    figure, axes = plt.subplots(figsize=(8, 4))
    for (name, weights), colour in zip(pools.items(), COLOURS[1:4:2], strict=False):
        axes.plot(list(weights), list(weights.values()), "o-", label=name, color=colour)
    axes.set(xscale="log", yscale="log", xlabel="pool members", ylabel="MB (PSS), all processes")
    axes.set_xticks([1, 8, 64, 256], ["1", "8", "64", "256"])
    axes.set_title("Memory of a whole pool")
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    _save(figure, folder / "memory.png")
    return (
        "![Share of replies over time, one curve per pool member](performance/latency.png)\n\n"
        "![Logins answered over time, one curve per pool size](performance/storm.png)\n\n"
        "![Memory by pool size](performance/memory.png)\n"
    )


def _save(figure: Figure, file: Path) -> None:
    figure.tight_layout()
    figure.savefig(file, dpi=100)
    plt.close(figure)


def write(part: str, text: str) -> None:
    """Replaces one measured part of the page."""
    begin, end = f"<!-- {part} -->\n", f"<!-- end of {part} -->\n"
    page = DOCS / "performance.md"
    before, _, rest = page.read_text().partition(begin)
    _, _, after = rest.partition(end)
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}")
