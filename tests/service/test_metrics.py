"""The metrics of several processes in one scrape."""

import os
import subprocess
import sys
from pathlib import Path

SCRAPE_DURING_START = """
import os
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from extauth_http.service.metrics import Metrics

def scraping(*arguments):
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    print(len(generate_latest(registry)) > 0)
    allocate(*arguments)

allocate, os.posix_fallocate = os.posix_fallocate, scraping
Metrics().connection_opened()
"""


def test_a_scrape_works_while_a_worker_creates_its_files(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRAPE_DURING_START],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "True" in done.stdout
