"""Start pool members and their services, send packets as ejabberd does, and measure memory."""

import asyncio
import compileall
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, cast

import extauth_http

HERE = Path(__file__).parent
PROGRAM = str(Path(sys.executable).parent / "extauth-http")
ALLOW = b"\x00\x02\x00\x01"
_PAYLOAD = b"auth:alice:example.org:" + b"x" * 60
PACKET = len(_PAYLOAD).to_bytes(2) + _PAYLOAD
PATIENCE = 30.0
"""Seconds that ejabberd waits for a reply, its queue included."""


class Bench:
    """A folder, a service without delay and a slow one, and the command of each pool member."""

    def __init__(self, folder: Path, slow_ms: int) -> None:
        # As pip does it. Without bytecode, each process would compile the program at its start.
        compileall.compile_dir(extauth_http.__path__[0], quiet=1)
        self.folder = folder
        self._started: list[subprocess.Popen[bytes]] = []
        self.quick_port = self._service("service.py", "0")
        self.slow_port = self._service("service.py", str(slow_ms))
        self.floor_is_c = bool(shutil.which("cc"))
        floor = str(folder / "floor")
        if self.floor_is_c:
            subprocess.run(["cc", "-O2", "-o", floor, HERE / "floor.c"], check=True)
        self._floor = [floor] if self.floor_is_c else [sys.executable, str(HERE / "floor.py")]
        self.socket = self.serve(self.quick_port, "quick")
        self.slow_socket = self.serve(self.slow_port, "slow")
        self.two_segment_port = self._service("two_segments.py")

    def commands(self) -> dict[str, list[str]]:
        """The pool members that are compared; each uses the service without delay."""
        port = str(self.quick_port)
        return {
            "floor": [*self._floor, port],
            "extauth-http": self.whole(self.quick_port),
            "without deadline": [
                sys.executable,
                str(HERE / "bare_loop.py"),
                str(self._config(self.quick_port)),
            ],
            "relay and serve": self.relay(self.socket),
            **self.scripts(self.quick_port),
        }

    def slow_commands(self) -> dict[str, list[str]]:
        """The pool members that an operator can choose, with the slow service."""
        return {
            "extauth-http": self.whole(self.slow_port),
            "relay and serve": self.relay(self.slow_socket),
            **self.scripts(self.slow_port),
        }

    def scripts(self, port: int) -> dict[str, list[str]]:
        return {
            f"{library} script": [sys.executable, str(HERE / f"with_{library}.py"), str(port)]
            for library in ("httpx", "requests")
        }

    def two_segment_commands(self) -> dict[str, list[str]]:
        """The contenders against a service that writes headers and body in two segments."""
        port = self.two_segment_port
        return {
            "extauth-http": self.whole(port),
            "httpx script": self.scripts(port)["httpx script"],
        }

    def whole(self, port: int) -> list[str]:
        """The complete program: JSON log to a file, deadline and all checks."""
        return [PROGRAM, "--config", str(self._config(port))]

    def relay(self, path: Path) -> list[str]:
        return [PROGRAM, "relay", "--socket", str(path)]

    def serve(self, port: int, name: str) -> Path:
        """Starts `serve` for the service at a port and returns its socket."""
        path = self.folder / f"{name}.sock"
        command = [PROGRAM, "--config", str(self._config(port)), "serve", "--user", "root"]
        command += ["--socket", str(path)]
        self._start(command)
        until(lambda: connects(socket.AF_UNIX, str(path)))
        return path

    def weight(self) -> float:
        """MB (PSS) of all processes of the `serve` without delay."""
        return sum(map(pss, self.serve_pids()))

    def serve_pids(self, *, slow: bool = False) -> set[int]:
        """The processes of the `serve` for the service without delay, or for the slow one."""
        parent = self._started[3 if slow else 2].pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        return {parent, *map(int, children)}

    @property
    def service_pid(self) -> int:
        """The process of the service without delay."""
        return self._started[0].pid

    def close(self) -> None:
        for process in reversed(self._started):
            process.terminate()
            process.wait()

    def _service(self, script: str, *arguments: str) -> int:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port: int = free.getsockname()[1]
        self._start([sys.executable, str(HERE / script), str(port), *arguments])
        until(lambda: connects(socket.AF_INET, ("127.0.0.1", port)))
        return port

    def _config(self, port: int) -> Path:
        config = self.folder / f"{port}.toml"
        log = self.folder / "log.json"
        url = f"http://127.0.0.1:{port}"
        config.write_text(f'[log]\nfile = "{log}"\n[backend]\nkind = "rest"\nurl = "{url}"\n')
        return config

    def _start(self, command: list[str]) -> None:
        self._started.append(
            subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        )


@contextlib.contextmanager
def bench(slow_ms: int = 200) -> Iterator[Bench]:
    """A bench in a temporary folder; everything that it started ends with it."""
    with tempfile.TemporaryDirectory(prefix="extauth-bench-") as folder:
        running = Bench(Path(folder), slow_ms)
        try:
            yield running
        finally:
            running.close()


class Member:
    """One pool member, which gets one packet at a time."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        self.pid = self._process.pid
        self._in = cast(IO[bytes], self._process.stdin).fileno()
        self._out = cast(IO[bytes], self._process.stdout).fileno()

    def ask(self) -> float:
        """Seconds from the packet to the reply. Raises ValueError if the reply is not a yes."""
        started = time.perf_counter()
        os.write(self._in, PACKET)
        answer = os.read(self._out, 4)
        seconds = time.perf_counter() - started
        if answer != ALLOW:
            raise ValueError(f"answered {answer!r}")
        return seconds

    def close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()
        self._process.wait()


async def storm(command: list[str], size: int, logins: int) -> list[float]:
    """The seconds until each reply, if all logins start at once on a pool of this size.

    Logins that ejabberd would no longer wait for are left out.
    """
    members = [
        await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        for _ in range(size)
    ]

    async def ask(member: asyncio.subprocess.Process) -> bool:
        assert member.stdin is not None
        assert member.stdout is not None
        member.stdin.write(PACKET)
        return await member.stdout.readexactly(4) == ALLOW

    await asyncio.gather(*(ask(member) for member in members))  # all are started and connected
    waiting = iter(range(logins))
    answered: list[float] = []
    started = time.perf_counter()

    async def work(member: asyncio.subprocess.Process) -> None:
        for _ in waiting:
            right = await ask(member)
            seconds = time.perf_counter() - started
            if seconds > PATIENCE:
                return
            if right:
                answered.append(seconds)

    await asyncio.gather(*(work(member) for member in members))
    for member in members:
        assert member.stdin is not None
        member.stdin.close()
    await asyncio.gather(*(member.wait() for member in members))
    return answered


def pss(pid: int) -> float:
    """MB of a process; shared memory is divided by the number of processes that share it."""
    return _rollup(pid, "Pss:")


def private(pid: int) -> float:
    """MB of a process that no other process shares."""
    return _rollup(pid, "Private_Clean:", "Private_Dirty:")


def _rollup(pid: int, *names: str) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(names)) / 1024


def connects(family: int, address: object) -> bool:
    with socket.socket(family) as trial:
        try:
            trial.connect(address)  # type: ignore[arg-type]
        except OSError:
            return False
    return True


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError("the process to measure did not start")
        time.sleep(0.02)
