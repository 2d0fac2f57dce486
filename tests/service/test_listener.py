"""The socket of ``serve``: its access rights, its errors, and a systemd socket."""

import errno
import grp
import os
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from extauth_http.service.listener import Listener, ServeError
from tests.e2e.ejabberd import free_ports
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
    AS_ROOT,
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
        [EXECUTABLE, "serve", *AS_ROOT, *map(str, arguments)],
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


def test_closing_keeps_the_socket_of_another_service(tmp_path: Path) -> None:
    path = tmp_path / "port.sock"
    first = Listener.bind(path, None)
    path.unlink()
    second = Listener.bind(path, None)
    first.close()
    assert path.exists()
    second.close()
    assert not path.exists()


def test_a_socket_with_the_same_inode_number_is_not_removed(tmp_path: Path) -> None:
    """A file system may give a new socket the number of one that was just removed."""
    path = tmp_path / "port.sock"
    first = Listener.bind(path, None)
    path.unlink()
    time.sleep(0.01)  # the times of files have a resolution of some milliseconds
    second = Listener.bind(path, None)
    inode, _ = second.identity
    replace(first, identity=(inode, first.identity[1])).close()
    assert path.exists()
    second.close()
    assert not path.exists()


def test_a_failed_start_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "chown", refuse)
    group = grp.getgrgid(os.getgid()).gr_name
    with pytest.raises(ServeError, match="cannot listen: Operation not permitted"):
        Listener.bind(tmp_path / "port.sock", group)
    assert list(tmp_path.iterdir()) == []


class ReplacedSocket(socket.socket):
    """Its path is a symbolic link to a file of root as soon as it is bound: another account that
    may write to the folder was quick."""

    def bind(self, address: Any) -> None:
        super().bind(address)
        path = Path(address)
        path.unlink()
        path.symlink_to(path.with_name("precious"))


def test_a_link_in_place_of_the_socket_changes_the_rights_of_no_other_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("")
    precious.chmod(0o600)
    before = precious.stat()
    monkeypatch.setattr(socket, "socket", ReplacedSocket)
    group = another_group()
    owner = SimpleNamespace(uid=os.getuid(), gid=grp.getgrnam(group).gr_gid)
    with closing(Listener.bind(tmp_path / "port.sock", group, owner)):
        found = precious.stat()
    assert (found.st_mode, found.st_uid, found.st_gid) == (
        before.st_mode,
        before.st_uid,
        before.st_gid,
    )


def test_a_socket_left_by_a_crash_is_replaced(tmp_path: Path, service: Service) -> None:
    metrics = f"127.0.0.1:{free_ports(1)[0]}"
    with ServeProcess(tmp_path, rest(service.url), "--metrics", metrics) as serving:
        workers = serving.workers()
        serving.process.kill()
        serving.process.wait()
        until(lambda: not any(map(is_running, workers)))
        assert serving.socket.exists()
        serving.start()
        with connect(serving) as connection:
            assert ask(connection, auth()) == ALLOW


ACTIVATE = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=sys.argv[2])
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Starts a program with a descriptor and with a number of sockets, like systemd."""


@pytest.fixture
def activated(tmp_path: Path, service: Service) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts ``serve`` like a systemd socket unit. The socket exists before and after it."""
    config = tmp_path / "c.toml"
    config.write_text(rest(service.url) + f'[log]\nfile = "{tmp_path}/log"\n')
    started: list[subprocess.Popen[bytes]] = []
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "port.sock"))
        listening.listen(64)

        def start() -> subprocess.Popen[bytes]:
            command = [sys.executable, "-c", ACTIVATE, str(listening.fileno()), "1"]
            command += [
                str(EXECUTABLE),
                "--config",
                str(config),
                "serve",
                "--workers",
                "1",
                *AS_ROOT,
            ]
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


def tcp_socket() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


@pytest.mark.parametrize(
    ("open_descriptor", "count", "error"),
    [
        (lambda: socket.socket(socket.AF_UNIX), 2, "systemd passed 2 sockets, expected one"),
        (tcp_socket, 1, "expected ListenStream= with a path in the systemd socket unit"),
        (tempfile.TemporaryFile, 1, "systemd passed no socket"),
    ],
    ids=["two sockets", "TCP socket", "no socket"],
)
def test_an_unusable_socket_from_systemd_is_an_error(
    tmp_path: Path, open_descriptor: Callable[[], Any], count: int, error: str
) -> None:
    with open_descriptor() as opened:
        done = subprocess.run(
            [
                *(sys.executable, "-c", ACTIVATE, str(opened.fileno()), str(count)),
                *(EXECUTABLE, "serve", *AS_ROOT),
            ],
            pass_fds=[opened.fileno()],
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    assert (done.returncode, done.stdout) == (2, "")
    assert error in done.stderr
