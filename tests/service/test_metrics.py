"""The numbers of several processes, added up while processes come."""

import os
import subprocess
import sys
from pathlib import Path

SCRAPED_MEANWHILE = """
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
Metrics().connected()
"""


def test_a_process_that_just_begins_does_not_spoil_a_scrape(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRAPED_MEANWHILE],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "True" in done.stdout
