"""One service for many pool members keeps the promises, during restarts as well."""

import contextlib
import grp
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.ejabberd import free_ports
from tests.integration.plugins import plugins
from tests.integration.program import (
    ALLOW,
    DENY,
    EXECUTABLE,
    SECONDS,
    UNDECIDED,
    auth,
    rest,
    setpass,
)
from tests.integration.service import Request, Service, http
from tests.service.processes import ENVIRONMENT, RelayProcess, ServeProcess, is_running, until
from tests.small_disk import small_disk


def password_decides(request: Request, connection: socket.socket) -> None:
    """False for ``wrong``, true for any other password, after a second if it starts with slow."""
    password = request.json()["password"]
    if password.startswith("slow"):
        time.sleep(1)
    connection.sendall(http(200, "true" if password != "wrong" else "false"))


@pytest.fixture
def service() -> Iterator[Service]:
    with Service(password_decides) as running:
        yield running


@pytest.fixture
def serving(tmp_path: Path, service: Service) -> Iterator[ServeProcess]:
    with ServeProcess(tmp_path, rest(service.url)) as running:
        yield running


def connect(serving: ServeProcess) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(SECONDS)
    connection.connect(str(serving.socket))
    return connection


def ask(connection: socket.socket, packet: bytes) -> bytes:
    connection.sendall(packet)
    return connection.recv(100)


def test_each_of_many_members_gets_its_own_replies(serving: ServeProcess) -> None:
    def talk(number: int) -> list[bytes]:
        with RelayProcess(serving.socket) as member:
            return [member.ask(auth("right" if (number + i) % 3 else "wrong")) for i in range(30)]

    with ThreadPoolExecutor(12) as pool:
        for number, answers in enumerate(pool.map(talk, range(12))):
            assert answers == [ALLOW if (number + i) % 3 else DENY for i in range(30)]


def test_a_slow_member_delays_no_other(tmp_path: Path, service: Service) -> None:
    with ServeProcess(tmp_path, rest(service.url), workers=1) as serving:
        slow, quick = connect(serving), connect(serving)
        with slow, quick:
            slow.sendall(auth("slow"))
            for _ in range(50):
                assert ask(quick, auth()) == ALLOW
            slow.setblocking(False)
            with pytest.raises(BlockingIOError):
                slow.recv(100)
            slow.settimeout(SECONDS)
            assert slow.recv(100) == ALLOW


def another_group() -> str:
    """A group of this account that is not the group it runs as."""
    ids = {group.gr_gid for group in grp.getgrall()} if os.getuid() == 0 else {*os.getgroups()}
    ids.discard(os.getgid())
    if not ids:
        pytest.skip("this account is in one group only")
    return grp.getgrgid(min(ids)).gr_name


def test_only_the_owner_and_the_group_can_connect(tmp_path: Path, service: Service) -> None:
    group = another_group()
    with ServeProcess(tmp_path, rest(service.url), "--group", group) as serving:
        found = serving.socket.stat()
        assert stat.S_IMODE(found.st_mode) == 0o660
        assert found.st_gid == grp.getgrnam(group).gr_gid
        sockets = {file.name for file in tmp_path.iterdir() if file.is_socket()}
        assert sockets == {"port.sock", "notify.sock"}
    assert not serving.socket.exists()


def startup_error(*arguments: object) -> str:
    """The message of a ``serve`` that cannot start."""
    ended = subprocess.run(
        [EXECUTABLE, "serve", *map(str, arguments)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    return ended.stderr


def test_an_error_at_the_start_is_reported(tmp_path: Path, serving: ServeProcess) -> None:
    other = tmp_path / "other.sock"
    assert "another service listens on this socket" in startup_error("--socket", serving.socket)
    assert "--group nobodys: this group does not exist" in startup_error(
        "--socket", other, "--group", "nobodys"
    )
    assert "No such file" in startup_error("--socket", tmp_path / "no" / "folder")
    assert "too long" in startup_error("--socket", tmp_path / ("x" * 120))
    assert "expected HOST:PORT" in startup_error("--metrics", "9109")
    file = tmp_path / "file"
    file.write_text("content")
    assert "the path exists and is not a socket" in startup_error("--socket", file)
    assert file.read_text() == "content"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert "in use" in startup_error("--socket", other, "--metrics", address)
    with connect(serving) as connection:
        assert ask(connection, auth()) == ALLOW
    assert not list(tmp_path.glob(".*"))


def test_a_socket_left_by_a_crash_is_replaced(tmp_path: Path, service: Service) -> None:
    with ServeProcess(tmp_path, rest(service.url)) as serving:
        workers = serving.workers()
        serving.process.kill()
        serving.process.wait()
        until(lambda: not any(map(is_running, workers)))
        assert serving.socket.exists()
        serving.start()
        with connect(serving) as connection:
            assert ask(connection, auth()) == ALLOW


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


@pytest.fixture
def activated(tmp_path: Path, service: Service) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts ``serve`` like a systemd socket unit. The socket exists before and after it."""
    config = tmp_path / "c.toml"
    config.write_text(rest(service.url) + f'[log]\nfile = "{tmp_path}/log"\n')
    started: list[subprocess.Popen[bytes]] = []
    script = (
        "import os, sys; os.dup2(int(sys.argv[1]), 3)\n"
        "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1')\n"
        "os.execv(sys.argv[2], sys.argv[2:])"
    )
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "port.sock"))
        listening.listen(64)

        def start() -> subprocess.Popen[bytes]:
            command = [sys.executable, "-c", script, str(listening.fileno())]
            command += [str(EXECUTABLE), "--config", str(config), "serve", "--workers", "1"]
            started.append(
                subprocess.Popen(command, pass_fds=[listening.fileno()], env=ENVIRONMENT)
            )
            return started[-1]

        yield start
    for process in started:
        process.terminate()
        process.wait(SECONDS)


def test_a_restart_with_a_systemd_socket_loses_no_packet(
    tmp_path: Path, activated: Callable[[], subprocess.Popen[bytes]]
) -> None:
    with RelayProcess(tmp_path / "port.sock") as member:
        member.write(auth())  # before the service runs
        process = activated()
        assert member.read() == ALLOW
        for packet in (auth(), setpass()) * 2:
            process.terminate()
            assert process.wait(SECONDS) == 0
            member.write(packet)
            process = activated()
            assert member.read() == ALLOW


@pytest.mark.parametrize("does", ["unraisable", "thread"])
def test_an_uncaught_exception_prints_nothing(tmp_path: Path, does: str) -> None:
    config = f'[backend]\nkind = "noisy"\ndoes = "{does}"\n'
    with (
        ServeProcess(tmp_path, config, environment=plugins(tmp_path)) as serving,
        connect(serving) as connection,
    ):
        assert ask(connection, auth("hunter2")) == DENY
        assert serving.stop() == 0
        assert "Traceback" not in serving.stderr_file.read_text()


@pytest.mark.parametrize("closed", ["<&-", "<&- >&- 2>&-"])
def test_it_works_with_closed_standard_streams(
    tmp_path: Path, service: Service, closed: str
) -> None:
    wrapper = ("sh", "-c", f'exec "$@" {closed}', "sh")
    with (
        ServeProcess(tmp_path, rest(service.url), wrapper=wrapper) as serving,
        connect(serving) as connection,
    ):
        assert ask(connection, auth()) == ALLOW


def test_sighup_reloads_the_configuration_in_every_worker(tmp_path: Path, service: Service) -> None:
    with ServeProcess(tmp_path, rest(service.url)) as serving:
        serving.process.send_signal(signal.SIGHUP)

        def reloads() -> int:
            lines = map(json.loads, serving.log_file.read_text().splitlines())
            return len({line["pid"] for line in lines if line["event"] == "config_reloaded"})

        until(lambda: reloads() == 2)


def test_a_broken_configuration_means_undecided_until_it_is_fixed(
    tmp_path: Path, service: Service
) -> None:
    with ServeProcess(tmp_path, "nonsense = 1") as serving, connect(serving) as connection:
        assert ask(connection, auth()) == UNDECIDED
        serving.config.write_text(rest(service.url))
        until(lambda: ask(connection, auth()) == ALLOW)


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
