"""Run the benchmarks, print the tables and write them into ``docs/performance.md``."""

import sys

from rich.console import Console
from rich.markdown import Markdown
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import figures, page, storms
from benchmarks.pool import bench

STEPS = {
    "latency": 20,
    "segments": 5,
    "start": 11,
    "memory": 7,
    "storm": 6,
    "ejabberd": 5,
    "growth": 6,
    "clients": storms.STEPS,
}


def main() -> None:
    console = Console()
    columns = (TextColumn("{task.description:<10}"), BarColumn(), TimeElapsedColumn())
    with bench() as ready, Progress(*columns, console=console) as progress:
        tasks = {name: progress.add_task(name, total=steps) for name, steps in STEPS.items()}

        def step(name: str) -> figures.Step:
            return lambda: progress.advance(tasks[name])

        latency = figures.latencies(ready, step("latency"))
        segments = figures.two_segment_latencies(ready, step("segments"))
        start = figures.starts(ready, step("start"))
        own = figures.own_memory(ready)
        pools = figures.pool_memory(ready, step("memory"))
        at_once = figures.storms(ready, step("storm"))
        rates = figures.rates(ready, step("ejabberd"))
        grown = figures.growth(ready, step("growth"))
        clients = storms.storms(ready, step("clients"))
    text = "\n".join(
        [
            page.machine(ready.floor_is_c),
            page.figures(latency, start, own, pools, at_once, rates),
            page.two_segments(segments),
            page.grown(grown),
        ]
    )
    client_text = f"{page.machine()}\n{storms.table(clients)}"
    console.print(Markdown(f"{text}\n{client_text}"))
    if "--dry" not in sys.argv:
        page.write(page.BENCH, f"{text}\n{page.plots(latency, pools, at_once)}")
        page.write(page.STORMS, client_text)


if __name__ == "__main__":
    main()
