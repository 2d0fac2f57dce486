"""The socket of ``serve``: its access rights, its errors, and a systemd socket."""

import grp
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.program import (
    ALLOW,
    EXECUTABLE,
    SECONDS,
    auth,
    rest,
    setpass,
)
from tests.integration.service import Service
from tests.service.processes import (
    ENVIRONMENT,
    RelayProcess,
    ServeProcess,
    ask,
    connect,
    is_running,
    until,
)


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
