"""The processes under test: a relay, ``serve``, and a fake service for a relay."""

import contextlib
import os
import select
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from tests.integration.program import EXECUTABLE, SECONDS
from tests.integration.service import Request, http

ENVIRONMENT = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}


class RelayProcess:
    """``extauth-http relay`` on a socket; runs until the ``with`` ends."""

    def __init__(
        self,
        path: Path,
        *options: str,
        stdout: int | None = None,
        wrapper: tuple[str, ...] = (),
    ) -> None:
        read_end, write_end = os.pipe2(os.O_DIRECT | os.O_CLOEXEC)
        self.answers = read_end
        self.process = subprocess.Popen(
            [*wrapper, EXECUTABLE, "relay", "--socket", path, *options],
            stdin=subprocess.PIPE,
            stdout=write_end if stdout is None else stdout,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
        )
        os.close(write_end)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self.close_input()
        try:
            self.process.wait(SECONDS)
        finally:
            self.process.kill()
            self.process.wait()
            if self.process.stderr:
                self.process.stderr.close()
            with contextlib.suppress(OSError):
                os.close(self.answers)

    def write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def read(self, seconds: float = SECONDS) -> bytes:
        """The bytes of one write of the relay. Empty at the end of output."""
        assert select.select([self.answers], [], [], seconds)[0], "no answer"
        return os.read(self.answers, 65536)

    def ask(self, framed: bytes) -> bytes:
        self.write(framed)
        return self.read()

    def close_input(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def wait(self) -> int:
        return self.process.wait(SECONDS)

    def stderr(self) -> str:
        """All of standard error, after the end of the process."""
        assert self.process.stderr is not None
        return self.process.stderr.read().decode()


Handler = Callable[[bytes, socket.socket], None]
"""Handles one packet. Its arguments are the packet without its length, and the connection."""


def reply_with(data: bytes) -> Handler:
    return lambda _, connection: connection.sendall(data)


def no_reply(_: bytes, __: socket.socket) -> None:
    pass


class FakeService:
    """A Unix socket that handles each packet as a test defines."""

    def __init__(self, path: Path, handle: Handler) -> None:
        self.handle = handle
        self.packets: list[tuple[int, bytes]] = []
        """The number of the connection and the packet without its length, for each packet."""
        self.connections: list[socket.socket] = []
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        self._listening.listen()
        self._path = path
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._path.unlink()
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self._listening.close()
        self.drop()
        for thread in self._threads:
            thread.join()

    def drop(self) -> None:
        """Closes all connections."""
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self.connections.append(connection)
                number = len(self.connections) - 1
                thread = threading.Thread(target=self._serve, args=(number, connection))
                thread.start()
                self._threads.append(thread)

    def _serve(self, number: int, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError), connection.makefile("rb") as stream:
            while len(length := stream.read(2)) == 2:
                packet = stream.read(int.from_bytes(length))
                self.packets.append((number, packet))
                self.handle(packet, connection)


AS_ROOT = ("--user", "root") if os.geteuid() == 0 else ()
"""What allows ``serve`` to run as root, which the tests do in CI."""


class ServeProcess:
    """``extauth-http serve`` with a configuration; runs until the ``with`` ends."""

    def __init__(
        self,
        folder: Path,
        config: str,
        *options: str,
        workers: int = 2,
        environment: Mapping[str, str] | None = None,
        wrapper: tuple[str, ...] = (),
    ) -> None:
        self.folder = folder
        self.stderr_file = folder / "stderr"
        self._environment = {**ENVIRONMENT, **(environment or {})}
        self._wrapper = wrapper
        self.socket = folder / "port.sock"
        self.config = folder / "serve.toml"
        self.log_file = folder / "serve.log"
        self.config.write_text(f'{config}\n[log]\nfile = "{self.log_file}"\n')
        self._options: tuple[str, ...] = ("--workers", str(workers), *options)
        self.process: subprocess.Popen[bytes]
        self.notifications = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        """Receives the states that ``serve`` sends to systemd."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def start(self) -> None:
        """Starts the process and waits until it reports that it is ready."""
        address = self.folder / "notify.sock"
        address.unlink(missing_ok=True)
        self.notifications.close()
        self.notifications = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notifications.bind(str(address))
        address.chmod(0o666)  # as the socket of systemd, which every account may write to
        self.notifications.settimeout(SECONDS)
        command: list[str | Path] = [
            EXECUTABLE,
            "--config",
            self.config,
            "serve",
            "--socket",
            self.socket,
            *AS_ROOT,
        ]
        with self.stderr_file.open("ab") as stderr:
            self.process = subprocess.Popen(
                [*self._wrapper, *command, *self._options],
                env={**self._environment, "NOTIFY_SOCKET": str(address)},
                stdin=subprocess.DEVNULL,
                stderr=stderr,
                start_new_session=True,
            )
        assert self.notifications.recv(100) == b"READY=1"

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(SECONDS)

    def workers(self) -> list[int]:
        """The child processes: the workers and, if there is one, the metrics server."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return sorted(map(int, children.read_text().split()))

    def __exit__(self, *_: object) -> None:
        self.notifications.close()
        workers = self.workers() if self.process.poll() is None else []
        try:
            if self.process.poll() is None:
                self.stop()
        finally:
            for pid in (*workers, self.process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()


def password_decides(request: Request, connection: socket.socket) -> None:
    """False for ``wrong``, true for any other password, after a second if it starts with slow."""
    password = request.json()["password"]
    if password.startswith("slow"):
        time.sleep(1)
    connection.sendall(http(200, "true" if password != "wrong" else "false"))


def connect(serving: ServeProcess) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(SECONDS)
    connection.connect(str(serving.socket))
    return connection


def ask(connection: socket.socket, packet: bytes) -> bytes:
    connection.sendall(packet)
    return connection.recv(100)


def until(holds: Callable[[], object]) -> None:
    """Waits until ``holds()`` is true."""
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end, "the condition did not become true"
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    """Whether a process exists and is not a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # the second one while it is read
        return False
    return state != "Z"
