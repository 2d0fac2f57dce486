"""``serve`` restarts its processes and stops without losing a packet."""

import json
import os
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.ejabberd import free_ports
from tests.integration.program import (
    ALLOW,
    SECONDS,
    UNDECIDED,
    auth,
    rest,
)
from tests.integration.service import Request, Service
from tests.service.processes import (
    RelayProcess,
    ServeProcess,
    ask,
    connect,
    is_running,
    until,
)


def test_a_killed_worker_is_restarted_and_its_relays_connect_again(
    tmp_path: Path, service: Service
) -> None:
    with (
        ServeProcess(tmp_path, rest(service.url)) as serving,
        RelayProcess(serving.socket) as member,
    ):
        for _ in range(3):
            before = serving.workers()
            for pid in before:
                os.kill(pid, signal.SIGKILL)
            assert member.ask(auth()) == ALLOW
            until(lambda: len(serving.workers()) == 2 and not {*serving.workers()} & {*before})  # noqa: B023
        assert member.ask(auth()) == ALLOW


def test_the_log_has_the_pid_of_the_process_that_an_event_is_about(
    tmp_path: Path, service: Service
) -> None:
    with ServeProcess(tmp_path, rest(service.url), workers=1) as serving:
        (worker,) = serving.workers()
        os.kill(worker, signal.SIGKILL)
        until(lambda: "process_ended" in serving.stderr_file.read_text())
        (line,) = map(json.loads, serving.stderr_file.read_text().splitlines())
        assert (line["event"], line["process"]) == ("process_ended", "worker")
        assert (line["pid"], line["code"]) == (worker, -signal.SIGKILL)


def test_systemd_is_notified_of_the_stop(serving: ServeProcess) -> None:
    assert serving.stop() == 0
    assert serving.notifications.recv(100) == b"STOPPING=1"


def test_packets_on_connections_that_are_not_accepted_yet_are_answered(
    tmp_path: Path, service: Service
) -> None:
    with ServeProcess(tmp_path, rest(service.url), workers=1) as serving:
        (worker,) = serving.workers()
        os.kill(worker, signal.SIGSTOP)
        connections = [connect(serving) for _ in range(8)]
        for connection in connections:
            connection.sendall(auth())
        serving.process.send_signal(signal.SIGTERM)
        assert serving.notifications.recv(100) == b"STOPPING=1"
        until(lambda: not serving.socket.exists())
        time.sleep(0.1)  # until the supervisor has sent its signal to the worker
        os.kill(worker, signal.SIGCONT)
        for connection in connections:
            with connection:
                assert connection.recv(100) == ALLOW


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_packets_received_before_a_stop_signal_are_answered(
    serving: ServeProcess, number: signal.Signals
) -> None:
    pending = [connect(serving) for _ in range(8)]
    for connection in pending:
        connection.sendall(auth("slow") + auth("slow as well"))
    idle = [connect(serving) for _ in range(4)]
    assert [ask(connection, auth()) for connection in idle] == [ALLOW] * 4
    serving.process.send_signal(number)
    until(lambda: not serving.socket.exists())
    # The second packet of each connection was received as well.
    for connection in pending:
        with connection:
            assert connection.recv(4) + connection.recv(4) == ALLOW + ALLOW
            assert connection.recv(4) == b""
    for connection in idle:
        with connection:
            assert connection.recv(4) == b""
            with pytest.raises(BrokenPipeError):
                connection.sendall(auth())
    assert serving.process.wait(SECONDS) == 0


def test_a_hanging_request_delays_the_stop_until_its_deadline_at_most(tmp_path: Path) -> None:
    def hang(_: Request, __: socket.socket) -> None:
        time.sleep(SECONDS)

    with (
        Service(hang) as service,
        ServeProcess(tmp_path, rest(service.url, top="deadline = 1.0")) as serving,
        connect(serving) as connection,
    ):
        connection.sendall(auth())
        until(lambda: service.requests)
        assert serving.stop() == 0
        assert connection.recv(100) == UNDECIDED


def test_relays_survive_a_restart_under_load(tmp_path: Path, service: Service) -> None:
    """Without a systemd socket, packets are UNDECIDED while no service listens."""
    stop = threading.Event()
    path = tmp_path / "port.sock"

    def talk(_: int) -> set[bytes]:
        with RelayProcess(path) as member:
            answers = set()
            while not stop.wait(0.005):  # otherwise the service gets no processor time to start
                answers.add(member.ask(auth()))
            assert member.ask(auth()) == ALLOW, "the service is up again"
            assert member.process.poll() is None
            return answers

    with ServeProcess(tmp_path, rest(service.url)) as running, ThreadPoolExecutor(8) as pool:
        talking = [pool.submit(talk, number) for number in range(8)]
        try:
            for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
                time.sleep(0.3)
                workers = running.workers()
                running.stop(number)
                until(lambda: not any(map(is_running, workers)))  # noqa: B023
                running.start()
            time.sleep(0.3)
        finally:
            stop.set()
        for each in talking:
            assert each.result(SECONDS) <= {ALLOW, UNDECIDED}


def test_sighup_reloads_the_configuration_in_every_worker(tmp_path: Path, service: Service) -> None:
    metrics = f"127.0.0.1:{free_ports(1)[0]}"
    with ServeProcess(tmp_path, rest(service.url), "--metrics", metrics) as serving:
        before = serving.workers()
        for pid in (serving.process.pid, *before):  # the whole process group, like a terminal
            os.kill(pid, signal.SIGHUP)

        def reloaded() -> set[int]:
            lines = map(json.loads, serving.log_file.read_text().splitlines())
            return {line["pid"] for line in lines if line["event"] == "config_reloaded"}

        until(lambda: len(reloaded()) == 2)
        assert reloaded() < {*serving.workers()}
        assert serving.workers() == before
