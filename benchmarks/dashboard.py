"""Draw the panels of the Grafana dashboard from the metrics of a real run of half a minute.

``python -m benchmarks.dashboard``. Grafana itself is not used: the query of each panel of
``examples/grafana/extauth-http.json`` is computed and drawn here.
"""

import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt

from benchmarks.page import DOCS
from benchmarks.pool import ALLOW, HERE, PROGRAM, connects, until
from extauth_http.protocol.packet_parser import frame

SECONDS = 36
WINDOW = 4
"""Seconds for which a rate is computed, like Grafana's ``$__rate_interval``."""

MEMBERS = 16
LABEL = re.compile(r'(\w+)="([^"]*)"')
Sample = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="extauth-dashboard-") as folder:
        samples = _run(Path(folder))
    _draw(samples)


def _run(folder: Path) -> list[Sample]:
    """One sample per second: the service works, is gone, hangs, and is slow."""
    port, metrics = _free_port(), _free_port()
    path = folder / "port.sock"
    config = folder / "c.toml"
    table = f'kind = "rest"\nurl = "http://127.0.0.1:{port}"\n'
    config.write_text(
        f'deadline = 1.0\n[log]\nfile = "{folder}/log"\n[hosts."example.org".backend]\n{table}'
        f'[hosts."example.net".backend]\n{table}'
    )
    stop = threading.Event()
    serve = subprocess.Popen(
        [
            *(PROGRAM, "--config", str(config), "serve", "--user", "root"),
            *("--socket", str(path)),
            *("--metrics", f"127.0.0.1:{metrics}"),
        ]
    )
    service = _service(port, 20)
    until(lambda: connects(socket.AF_UNIX, str(path)))
    until(lambda: connects(socket.AF_INET, ("127.0.0.1", metrics)))
    threads = [threading.Thread(target=_ask, args=(path, n, stop)) for n in range(MEMBERS)]
    for thread in threads:
        thread.start()
    samples = []
    try:
        for second in range(SECONDS):
            if second == 12:
                service.kill()
            if second == 16:
                with _silence(port):
                    for _ in range(4):
                        samples.append(_scrape(metrics))
                        time.sleep(1)
                service = _service(port, 200)
            samples.append(_scrape(metrics))
            time.sleep(1)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        for process in (serve, service):
            process.terminate()
            process.wait()
    return samples


def _service(port: int, delay_ms: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, str(HERE / "service.py"), str(port), str(delay_ms)])


def _silence(port: int) -> socket.socket:
    """A service that accepts connections and sends nothing."""
    return socket.create_server(("127.0.0.1", port), backlog=1024)


def _ask(path: Path, number: int, stop: threading.Event) -> None:
    packets = [
        frame(f"{operation}:user:{host}{':secret' if operation == 'auth' else ''}".encode())
        for operation in ("auth", "auth", "isuser")
        for host in ("example.org", "example.net", "example.org", "unknown.example")
    ]
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        for turn in range(10**9):
            connection.sendall(packets[(number + turn) % len(packets)])
            answer = connection.recv(4)
            # A user does not try again at once.
            if stop.wait(0.05 if answer == ALLOW else 0.2):
                return


def _scrape(port: int) -> Sample:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    found: Sample = {}
    for line in lines:
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            found[name.partition("{")[0], tuple(LABEL.findall(name))] = float(value)
    return found


def _rates(samples: list[Sample], name: str, label: str, **only: str) -> dict[str, list[float]]:
    """``sum by (label) (rate(name{only}))``, one value per second from WINDOW on."""
    sums = []
    for sample in samples:
        total: Counter[str] = Counter()
        for (metric, pairs), value in sample.items():
            labels = dict(pairs)
            if metric == name and all(labels.get(key) == each for key, each in only.items()):
                total[labels.get(label, "")] += value  # type: ignore[assignment]
        sums.append(total)
    names = sorted({each for total in sums for each in total})
    return {
        each: [
            (later[each] - before[each]) / WINDOW
            for before, later in zip(sums, sums[WINDOW:], strict=False)
        ]
        for each in names
    }


def _quantile(share: float, buckets: Mapping[str, float]) -> float:
    """``histogram_quantile``: the position of the share, with evenly filled buckets."""
    bounds = sorted((float(bound), count) for bound, count in buckets.items())
    rank = share * bounds[-1][1]
    low, below = 0.0, 0.0
    for bound, count in bounds:
        if count >= rank and count > below:
            return (
                low
                if bound == float("inf")
                else low + (bound - low) * (rank - below) / (count - below)
            )
        low, below = bound, count
    return float("nan")


def _draw(samples: list[Sample]) -> None:
    mpl.use("Agg")
    plt.style.use("dark_background")
    figure, axes = plt.subplots(3, 2, figsize=(13, 10))
    seconds = range(WINDOW, len(samples))
    answers = "extauth_http_answers_total"

    verdicts = _rates(samples, answers, "verdict")
    axes[0][0].stackplot(seconds, *verdicts.values(), labels=list(verdicts), alpha=0.7)
    lines = [
        (axes[0][1], _rates(samples, answers, "reason", verdict="undecided")),
        (axes[1][1], _rates(samples, answers, "operation")),
    ]
    for each, found in lines:
        for name, values in found.items():
            each.plot(seconds, values, label=name)
    buckets = _rates(samples, "extauth_http_answer_seconds_bucket", "le")
    for share, name in ((0.5, "50%"), (0.95, "95%"), (0.99, "99%")):
        at = [
            _quantile(share, {bound: values[n] for bound, values in buckets.items()})
            for n in range(len(seconds))
        ]
        axes[1][0].plot(seconds, at, label=name)
    for name in ("extauth_http_requests_under_way", "extauth_http_connections"):
        values = [sample.get((name, ()), 0.0) for sample in samples][WINDOW:]
        label = name.removeprefix("extauth_http_").replace("_", " ")
        axes[2][0].plot(seconds, values, label=label)
    whole = [sum(values[n] for values in verdicts.values()) for n in range(len(seconds))]
    undecided = verdicts.get("undecided", [0.0] * len(seconds))
    shares = [100 * part / all_ for part, all_ in zip(undecided, whole, strict=True)]
    axes[2][1].plot(seconds, shares, label="share, %")

    titles = (
        ("Replies per second by verdict", "UNDECIDED per second by reason"),
        ("Time to a reply, s", "Replies per second by operation"),
        ("Requests in progress and pool members", "Share of UNDECIDED"),
    )
    for row, names in zip(axes, titles, strict=True):
        for each, title in zip(row, names, strict=True):
            each.set_title(title, loc="left")
            each.set_ylim(bottom=0)
            each.grid(alpha=0.2)
            each.legend(loc="upper left", fontsize="small")
    figure.tight_layout()
    (DOCS / "performance").mkdir(exist_ok=True)
    figure.savefig(DOCS / "performance" / "dashboard.png", dpi=80)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
