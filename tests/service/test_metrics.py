"""Metrics are sums over all workers, and never cost a reply."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from extauth_http.program.outcome import Decision, Outcome
from extauth_http.protocol.command import Command, Operation
from extauth_http.protocol.replies import Dialect
from extauth_http.protocol.verdict import Answer, Verdict
from extauth_http.service.metrics import MAX_REASONS, OTHER, Metrics
from tests.e2e.ejabberd import free_ports
from tests.integration.program import (
    ALLOW,
    DENY,
    SECONDS,
    auth,
    rest,
)
from tests.integration.service import Service
from tests.service.processes import (
    RelayProcess,
    ServeProcess,
    ask,
    connect,
    until,
)
from tests.small_disk import small_disk

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


def outcome(reason: str) -> Outcome:
    command = Command(Operation.AUTH, "alice", "example.org", "secret")
    decision = Decision(Answer(Verdict.DENY, reason))
    return Outcome("id", 30, Operation.AUTH, command, decision, Dialect.EJABBERD, 0.01)


def test_the_number_of_labels_for_reasons_is_limited() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    for number in range(3 * MAX_REASONS):
        metrics.packet_answered(outcome(f"reason{number}"), {"example.org"})
    counts = {
        sample.labels["reason"]: sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == "extauth_http_answers_total"
    }
    assert len(counts) == MAX_REASONS + 1
    assert counts[OTHER] == 2 * MAX_REASONS


def test_the_files_of_the_metrics_are_removed_at_the_end(tmp_path: Path, service: Service) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    metrics = f"127.0.0.1:{free_ports(1)[0]}"
    environment = {"TMPDIR": str(folder)}
    with ServeProcess(
        tmp_path, rest(service.url), "--metrics", metrics, environment=environment
    ) as serving:
        assert [*folder.iterdir()] != []
        assert serving.stop() == 0
        assert [*folder.iterdir()] == []


def scrape(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=SECONDS) as answer:
        lines = answer.read().decode().splitlines()
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in lines
        if not line.startswith("#")
    }


def test_metrics_are_sums_over_workers_including_ended_ones(
    tmp_path: Path, service: Service
) -> None:
    (port,) = free_ports(1)
    config = (
        f'{rest(service.url)}\n[hosts."example.org".backend]\nkind = "rest"\n'
        f'url = "{service.url}"\n'
    )
    with ServeProcess(tmp_path, config, "--metrics", f"127.0.0.1:{port}") as serving:

        def numbers() -> dict[str, float]:
            return scrape(port)

        def answers(verdict: str, reason: str, host: str = "example.org") -> str:
            return (
                f'extauth_http_answers_total{{host="{host}",operation="auth",'
                f'reason="{reason}",verdict="{verdict}"}}'
            )

        connections = [connect(serving) for _ in range(6)]
        for connection in connections:
            assert ask(connection, auth()) == ALLOW
            assert ask(connection, auth("wrong")) == DENY
        for number in range(20):
            assert ask(connections[0], auth(host=f"unknown-{number}.example")) == ALLOW
        connections[0].sendall(auth("slow"))
        until(lambda: numbers()["extauth_http_requests_under_way"] == 1)
        until(lambda: numbers()["extauth_http_requests_under_way"] == 0)
        expected: dict[str, Any] = {
            answers("allow", "allowed"): 7,
            answers("deny", "denied"): 6,
            answers("allow", "allowed", "other"): 20,
            'extauth_http_answer_seconds_count{host="example.org",operation="auth"}': 13,
            'extauth_http_answer_seconds_bucket{host="example.org",le="0.75",operation="auth"}': 12,
            "extauth_http_connections": 6,
        }
        assert {name: numbers().get(name) for name in expected} == expected
        assert not any("unknown" in name for name in numbers())

        for pid in serving.workers()[:2]:
            os.kill(pid, signal.SIGKILL)
        expected["extauth_http_connections"] = 0
        until(lambda: {name: numbers().get(name) for name in expected} == expected)
        for connection in connections:
            connection.close()


def test_a_scraper_that_sends_nothing_is_disconnected(tmp_path: Path, service: Service) -> None:
    (port,) = free_ports(1)
    address = ("127.0.0.1", port)
    with ServeProcess(tmp_path, rest(service.url), "--metrics", f"127.0.0.1:{port}"):
        with socket.create_connection(address, SECONDS) as silent:
            silent.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
            assert silent.recv(100) == b""
        scrape(port)


def test_a_full_disk_costs_metrics_and_no_reply(tmp_path: Path, service: Service) -> None:
    with small_disk(tmp_path, "256k") as disk:
        (port,) = free_ports(1)
        with (
            ServeProcess(
                tmp_path,
                rest(service.url),
                "--metrics",
                f"127.0.0.1:{port}",
                workers=1,
                environment={"TMPDIR": str(disk)},
            ) as serving,
            RelayProcess(serving.socket) as member,
        ):
            before = serving.workers()
            with contextlib.suppress(OSError), (disk / "filler").open("wb", buffering=0) as filler:
                while True:
                    filler.write(b"x" * 4096)
            assert [member.ask(auth()) for _ in range(20)] == [ALLOW] * 20
            assert serving.workers() == before
            os.kill(before[0], signal.SIGKILL)
            until(lambda: len(serving.workers()) == 2 and before[0] not in serving.workers())
            until(lambda: member.ask(auth()) == ALLOW)
            assert [member.ask(auth()) for _ in range(20)] == [ALLOW] * 20
            scrape(port)


def test_a_worker_without_space_for_its_metrics_still_answers(
    tmp_path: Path, service: Service
) -> None:
    (port,) = free_ports(1)
    with (
        ServeProcess(
            tmp_path,
            rest(service.url),
            "--metrics",
            f"127.0.0.1:{port}",
            wrapper=("prlimit", "--fsize=8192"),
        ) as serving,
        RelayProcess(serving.socket) as member,
    ):
        before = serving.workers()
        assert [member.ask(auth()) for _ in range(3)] == [ALLOW] * 3
        assert serving.workers() == before
        events = [json.loads(line) for line in serving.stderr_file.read_text().splitlines()]
        assert [event["event"] for event in events] == ["not_counted"] * 2
        assert len({event["pid"] for event in events} & {*before}) == 2
        assert scrape(port) == {}
