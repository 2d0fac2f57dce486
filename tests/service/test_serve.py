"""One service for many pool members: the same promises, and a restart that nobody pays for."""

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
from tests.member import ENVIRONMENT, Member, Serving, is_running, until
from tests.small_disk import small_disk


def by_password(request: Request, connection: socket.socket) -> None:
    """Yes to ``right``; ``slow…`` takes a second before it."""
    password = request.json()["password"]
    if password.startswith("slow"):
        time.sleep(1)
    connection.sendall(http(200, "true" if password != "wrong" else "false"))


@pytest.fixture
def service() -> Iterator[Service]:
    with Service(by_password) as running:
        yield running


@pytest.fixture
def serving(tmp_path: Path, service: Service) -> Iterator[Serving]:
    with Serving(tmp_path, rest(service.url)) as running:
        yield running


def connect(serving: Serving) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(SECONDS)
    connection.connect(str(serving.socket))
    return connection


def ask(connection: socket.socket, packet: bytes) -> bytes:
    connection.sendall(packet)
    return connection.recv(100)


def test_many_members_are_answered_each_its_own(serving: Serving) -> None:
    def talk(number: int) -> list[bytes]:
        with Member(serving.socket) as member:
            return [member.ask(auth("right" if (number + i) % 3 else "wrong")) for i in range(30)]

    with ThreadPoolExecutor(12) as pool:
        for number, answers in enumerate(pool.map(talk, range(12))):
            assert answers == [ALLOW if (number + i) % 3 else DENY for i in range(30)]


def test_a_member_that_hangs_does_not_hold_up_another(tmp_path: Path, service: Service) -> None:
    with Serving(tmp_path, rest(service.url), workers=1) as serving:
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


def test_only_owner_and_group_may_connect(tmp_path: Path, service: Service) -> None:
    group = grp.getgrgid(os.getgid()).gr_name
    with Serving(tmp_path, rest(service.url), "--group", group) as serving:
        found = serving.socket.stat()
        assert stat.S_IMODE(found.st_mode) == 0o660
        assert found.st_gid == os.getgid()
        assert [file.name for file in tmp_path.iterdir() if file.is_socket()].count(
            "port.sock"
        ) == 1
    assert not serving.socket.exists()


def refused(*arguments: object) -> str:
    """What it says when it cannot start."""
    ended = subprocess.run(
        [EXECUTABLE, "serve", *map(str, arguments)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    return ended.stderr


def test_what_keeps_it_from_starting_is_said(tmp_path: Path, serving: Serving) -> None:
    other = tmp_path / "other.sock"
    assert "a service listens there already" in refused("--socket", serving.socket)
    assert "there is no group nobodys" in refused("--socket", other, "--group", "nobodys")
    assert "No such file" in refused("--socket", tmp_path / "no" / "folder")
    assert "too long" in refused("--socket", tmp_path / ("x" * 120))
    assert "expected HOST:PORT" in refused("--metrics", "9109")
    file = tmp_path / "file"
    file.write_text("of somebody")
    assert "something else than a socket" in refused("--socket", file)
    assert file.read_text() == "of somebody"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert "in use" in refused("--socket", other, "--metrics", address)
    with connect(serving) as connection:
        assert ask(connection, auth()) == ALLOW
    assert not list(tmp_path.glob(".*"))


def test_a_socket_that_a_crash_left_behind_is_taken_over(tmp_path: Path, service: Service) -> None:
    with Serving(tmp_path, rest(service.url)) as serving:
        workers = serving.workers()
        serving.process.kill()
        serving.process.wait()
        until(lambda: not any(map(is_running, workers)))
        assert serving.socket.exists()
        serving.start()
        with connect(serving) as connection:
            assert ask(connection, auth()) == ALLOW


def test_a_worker_that_dies_is_replaced_and_only_its_requests_are_lost(
    tmp_path: Path, service: Service
) -> None:
    with Serving(tmp_path, rest(service.url)) as serving, Member(serving.socket) as member:
        for _ in range(3):
            before = serving.workers()
            for pid in before:
                os.kill(pid, signal.SIGKILL)
            assert member.ask(auth()) == ALLOW
            until(lambda: len(serving.workers()) == 2 and not {*serving.workers()} & {*before})  # noqa: B023
        assert member.ask(auth()) == ALLOW


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_go_it_answers_what_has_come_first(
    serving: Serving, number: signal.Signals
) -> None:
    asking = [connect(serving) for _ in range(8)]
    for connection in asking:
        connection.sendall(auth("slow") + auth("slow, and behind another"))
    idle = [connect(serving) for _ in range(4)]
    assert [ask(connection, auth()) for connection in idle] == [ALLOW] * 4
    serving.process.send_signal(number)
    until(lambda: not serving.socket.exists())
    # The second packet of each was received as well.
    for connection in asking:
        with connection:
            assert connection.recv(4) + connection.recv(4) == ALLOW + ALLOW
            assert connection.recv(4) == b""
    for connection in idle:
        with connection:
            assert connection.recv(4) == b""
            with pytest.raises(BrokenPipeError):
                connection.sendall(auth())
    assert serving.process.wait(SECONDS) == 0


def test_what_hangs_does_not_keep_it_beyond_the_deadline(tmp_path: Path) -> None:
    def hang(_: Request, __: socket.socket) -> None:
        time.sleep(SECONDS)

    with (
        Service(hang) as service,
        Serving(tmp_path, rest(service.url, top="deadline = 1.0")) as serving,
        connect(serving) as connection,
    ):
        connection.sendall(auth())
        until(lambda: service.requests)
        assert serving.stop() == 0
        assert connection.recv(100) == UNDECIDED


def test_a_restart_under_load_costs_no_member(tmp_path: Path, service: Service) -> None:
    """Without a socket that systemd keeps, what comes while nothing listens is UNDECIDED."""
    stop = threading.Event()
    path = tmp_path / "port.sock"

    def talk(_: int) -> set[bytes]:
        with Member(path) as member:
            answers = set()
            while not stop.wait(0.005):  # else they leave the service no processor to start on
                answers.add(member.ask(auth()))
            assert member.ask(auth()) == ALLOW, "it is back"
            assert member.process.poll() is None
            return answers

    with Serving(tmp_path, rest(service.url)) as running, ThreadPoolExecutor(8) as pool:
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
    """Starts ``serve`` as systemd does for a socket unit; the socket outlives it."""
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


def test_with_systemds_socket_a_restart_is_not_even_noticed(
    tmp_path: Path, activated: Callable[[], subprocess.Popen[bytes]]
) -> None:
    with Member(tmp_path / "port.sock") as member:
        member.write(auth())  # before anybody is there
        process = activated()
        assert member.read() == ALLOW
        for packet in (auth(), setpass()) * 2:
            process.terminate()
            assert process.wait(SECONDS) == 0
            member.write(packet)
            process = activated()
            assert member.read() == ALLOW


@pytest.mark.parametrize("does", ["unraisable", "thread"])
def test_an_exception_that_nobody_catches_shows_nothing(tmp_path: Path, does: str) -> None:
    config = f'[backend]\nkind = "noisy"\ndoes = "{does}"\n'
    with (
        Serving(tmp_path, config, environment=plugins(tmp_path)) as serving,
        connect(serving) as connection,
    ):
        assert ask(connection, auth("hunter2")) == DENY
        assert serving.stop() == 0
        assert "Traceback" not in serving.stderr_file.read_text()


@pytest.mark.parametrize("closed", ["<&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_at_its_start_are_nobody_elses(
    tmp_path: Path, service: Service, closed: str
) -> None:
    wrapper = ("sh", "-c", f'exec "$@" {closed}', "sh")
    with (
        Serving(tmp_path, rest(service.url), wrapper=wrapper) as serving,
        connect(serving) as connection,
    ):
        assert ask(connection, auth()) == ALLOW


def test_hangup_reloads_in_every_process(tmp_path: Path, service: Service) -> None:
    with Serving(tmp_path, rest(service.url)) as serving:
        serving.process.send_signal(signal.SIGHUP)

        def reloads() -> int:
            lines = map(json.loads, serving.log_file.read_text().splitlines())
            return len({line["pid"] for line in lines if line["event"] == "config_reloaded"})

        until(lambda: reloads() == 2)


def test_with_a_broken_configuration_it_serves_undecided_and_heals(
    tmp_path: Path, service: Service
) -> None:
    with Serving(tmp_path, "nonsense = 1") as serving, connect(serving) as connection:
        assert ask(connection, auth()) == UNDECIDED
        serving.config.write_text(rest(service.url))
        until(lambda: ask(connection, auth()) == ALLOW)


def scraped(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=SECONDS) as answer:
        lines = answer.read().decode().splitlines()
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in lines
        if not line.startswith("#")
    }


def test_the_numbers_add_up_over_processes_and_their_ends(tmp_path: Path, service: Service) -> None:
    (port,) = free_ports(1)
    config = (
        f'{rest(service.url)}\n[hosts."example.org".backend]\nkind = "rest"\n'
        f'url = "{service.url}"\n'
    )
    with Serving(tmp_path, config, "--metrics", f"127.0.0.1:{port}") as serving:

        def numbers() -> dict[str, float]:
            return scraped(port)

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
            assert ask(connections[0], auth(host=f"made-up-{number}.example")) == ALLOW
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
        assert not any("made-up" in name for name in numbers())

        for pid in serving.workers()[:2]:
            os.kill(pid, signal.SIGKILL)
        expected["extauth_http_connections"] = 0
        until(lambda: {name: numbers().get(name) for name in expected} == expected)
        for connection in connections:
            connection.close()


def test_a_scraper_that_says_nothing_is_left(tmp_path: Path, service: Service) -> None:
    (port,) = free_ports(1)
    address = ("127.0.0.1", port)
    with Serving(tmp_path, rest(service.url), "--metrics", f"127.0.0.1:{port}"):
        with socket.create_connection(address, SECONDS) as silent:
            silent.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
            assert silent.recv(100) == b""
        scraped(port)


def test_a_full_disk_costs_numbers_and_no_answer(tmp_path: Path, service: Service) -> None:
    with small_disk(tmp_path, "256k") as disk:
        (port,) = free_ports(1)
        with (
            Serving(
                tmp_path,
                rest(service.url),
                "--metrics",
                f"127.0.0.1:{port}",
                workers=1,
                environment={"TMPDIR": str(disk)},
            ) as serving,
            Member(serving.socket) as member,
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
            scraped(port)


def test_without_room_for_its_numbers_a_process_answers_all_the_same(
    tmp_path: Path, service: Service
) -> None:
    (port,) = free_ports(1)
    with (
        Serving(
            tmp_path,
            rest(service.url),
            "--metrics",
            f"127.0.0.1:{port}",
            wrapper=("prlimit", "--fsize=8192"),
        ) as serving,
        Member(serving.socket) as member,
    ):
        before = serving.workers()
        assert [member.ask(auth()) for _ in range(3)] == [ALLOW] * 3
        assert serving.workers() == before
        assert serving.stderr_file.read_text().count("not_counted") == 2
        assert scraped(port) == {}
