"""A real ejabberd for a test, on loopback, independent of any other ejabberd on the machine.

    with Ejabberd("extauth-http run --config /tmp/x.toml") as server:
        assert server.api("check_password", user="a", host="example.org", password="b") == 0

It does not use epmd: the node has a port of its own. Every process that it starts has the folder of
the server as HOME, so that all of them are found and ended when the server stops.
"""

import contextlib
import json
import os
import random
import shlex
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tests.e2e.installation import ROOT, ebin, stock_modules, with_stock_rules

START = 30.0  # seconds for the start
STOP = 10.0  # seconds for an orderly end
LEFT_OVER = 2.0  # seconds after that until its remaining processes are killed

MODULES = stock_modules(ROOT)

# Private mounts: they end with the process.
ENTER_ROOT = """
root=$1 tmp=$2
shift 2
mkdir -p "$root$tmp"
mount --bind "$tmp" "$root$tmp"
mount -t proc proc "$root/proc"
exec chroot "$root" "$@"
"""


class ApiError(Exception):
    """ejabberd's admin API responded with another status than 200."""

    def __init__(self, command: str, status: int, body: str) -> None:
        super().__init__(f"{command}: status {status}: {body}")
        self.status = status
        self.body = body


def out_of(root: Path, extauth_program: str) -> str:
    """The command line of a program of this root, for an ejabberd in another root."""
    if root == Path("/"):
        return extauth_program
    enter = ["nsenter", "--target", str(os.getpid()), "--mount", "--root", "--wd", "--"]
    return f"{shlex.join(enter)} {extauth_program}"


def free_ports(count: int) -> list[int]:
    """Loopback TCP ports on which nothing listens at this moment.

    They are below the range of ports that the kernel uses for connections, so that no connection
    takes one of them before a server listens on it.
    """
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    candidates = range(max(first - 16_000, 1024), first) or range(1024, 65_536)
    ports: set[int] = set()
    while len(ports) < count:
        port = random.choice(candidates)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            ports.add(port)
    return [*ports]


def c2s_listener(port: int, **options: object) -> dict[str, object]:
    """A listener for clients."""
    return {"port": port, "ip": "127.0.0.1", "module": "ejabberd_c2s", **options}


class Ejabberd:
    """One ejabberd; it runs inside of `with`.

    `extauth_program` is a command line as in ejabberd.yml (`shlex.join` makes one of a list).
    `options` are merged into the top level of ejabberd.yml; `modules` replaces MODULES. `root` is
    the root file system that contains ejabberd; the program always runs in the root of the machine.
    """

    def __init__(
        self,
        extauth_program: str,
        *,
        hosts: list[str] | None = None,
        extauth_pool_size: int = 1,
        auth_use_cache: bool = False,
        modules: Mapping[str, Mapping[str, Any]] = MODULES,
        options: Mapping[str, Any] | None = None,
        root: Path = ROOT,
    ) -> None:
        self.root = root
        self.c2s_port, self.api_port, self._node_port = free_ports(3)
        self.node = f"extauth{self._node_port}@localhost"
        self.config: dict[str, Any] = {
            "hosts": hosts or ["example.org"],
            "loglevel": "info",
            "auth_method": ["external"],
            "auth_use_cache": auth_use_cache,
            "extauth_program": out_of(root, extauth_program),
            "extauth_pool_size": extauth_pool_size,
            "registration_timeout": "infinity",
            # No connection leaves this machine.
            "acme": {"auto": False},
            "s2s_access": "none",
            "listen": [
                c2s_listener(self.c2s_port, starttls=False),
                {
                    "port": self.api_port,
                    "ip": "127.0.0.1",
                    "module": "ejabberd_http",
                    "backlog": 128,  # the default is 5; more connections at once are reset
                    "request_handlers": {"/api": "mod_http_api"},
                },
            ],
            "api_permissions": {
                "the test": {
                    "from": ["mod_http_api"],
                    "who": {"ip": "127.0.0.1/32"},
                    "what": "*",
                }
            },
            "modules": modules,
            **with_stock_rules(root, options or {}),
        }

    def __enter__(self) -> Self:
        self._temporary = tempfile.TemporaryDirectory(prefix="ejabberd-")
        self.folder = Path(self._temporary.name)
        self._http = httpx.Client(
            base_url=f"http://127.0.0.1:{self.api_port}/api/", timeout=60.0, trust_env=False
        )
        try:
            self._start()
            self._wait_until_started()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    def api(self, command: str, **arguments: Any) -> Any:
        """The decoded result of a command of the admin API. Raises ApiError.

        A command without a result returns 0 for success and 1 for failure, like an exit code.
        """
        answer = self._http.post(command, json=arguments)
        if answer.status_code != httpx.codes.OK:
            raise ApiError(command, answer.status_code, answer.text)
        return answer.json()

    def write_config(self, folder: Path) -> Path:
        """Writes the configuration to ``ejabberd.yml`` in a folder."""
        file = folder / "ejabberd.yml"
        file.write_text(json.dumps(self.config, indent=2))  # JSON is YAML
        return file

    def check_password(self, user: str, host: str, password: str) -> bool:
        return bool(self.api("check_password", user=user, host=host, password=password) == 0)

    def log(self) -> str:
        """The content of ejabberd's log."""
        path = self.folder / "log" / "ejabberd.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def program_pids(self) -> set[int]:
        """The process IDs of the pool members that run at this moment."""
        own = {pid: _executable(pid) for pid in self._processes()}
        return {
            pid
            for pid, executable in own.items()
            if "/erlang/" not in executable
            and own.get(_parent(pid), "").endswith("/erl_child_setup")
        }

    def whole_pool(self) -> set[int]:
        """The process IDs of the pool members, after all of them have started.

        On a busy machine, ejabberd reports its start before the last pool member runs.
        """
        end = time.monotonic() + START
        while len(members := self.program_pids()) != self.config["extauth_pool_size"]:
            assert time.monotonic() < end, f"{len(members)} pool members run"
            time.sleep(0.05)
        return members

    def _start(self) -> None:
        code = ebin(self.root)
        if code is None:
            raise FileNotFoundError(f"no ejabberd in {self.root}: run `make test`")
        for name in ("spool", "log"):
            (self.folder / name).mkdir()
        yml = self.write_config(self.folder)
        words = ["erl", "-noinput", "-sname", self.node, "-setcookie", os.urandom(16).hex()]
        words += ["-start_epmd", "false", "-erl_epmd_port", str(self._node_port)]
        words += ["-kernel", "inet_dist_use_interface", "{127,0,0,1}"]
        words += ["-mnesia", "dir", f'"{self.folder / "spool"}"']
        words += ["-ejabberd", "config", f'"{yml}"']
        words += ["log_path", f'"{self.folder / "log" / "ejabberd.log"}"']
        words += ["-pa", code, "-s", "ejabberd"]
        if self.root != Path("/"):
            enter = ["sh", "-euc", ENTER_ROOT, "sh", str(self.root), str(self.folder.parent)]
            words = ["unshare", "--mount", "--propagation", "private", *enter, *words]
        with (self.folder / "log" / "erl.out").open("wb") as output:
            self._erl = subprocess.Popen(
                words,
                cwd=self.folder,
                env={
                    **os.environ,
                    "HOME": str(self.folder),
                    "EJABBERD_CONFIG_PATH": str(yml),
                    "ERL_CRASH_DUMP_SECONDS": "0",
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C must not reach it: the tests stop it in order
            )

    def _wait_until_started(self) -> None:
        deadline = time.monotonic() + START
        last_seen = "nothing"
        while time.monotonic() < deadline and self._erl.poll() is None:
            try:
                last_seen = self._http.post("status", json={}).text
                socket.create_connection(("127.0.0.1", self.c2s_port), timeout=1).close()
            except (httpx.TransportError, OSError) as error:
                last_seen = repr(error)
            else:
                if f"node {self.node} is started" in last_seen:  # and not another server
                    return
            time.sleep(0.05)
        output = (self.folder / "log" / "erl.out").read_text(errors="replace")
        raise RuntimeError(
            f"ejabberd did not start (exit code {self._erl.poll()}, last seen: {last_seen})\n"
            f"{output[-2000:]}\n{self.log()[-4000:]}"
        )

    def _stop(self) -> None:
        if hasattr(self, "_erl"):
            self._erl.terminate()  # Erlang ends in order
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._erl.wait(STOP)
            deadline = time.monotonic() + LEFT_OVER
            while any(self._processes()) and time.monotonic() < deadline:
                time.sleep(0.02)
            while left_over := list(self._processes()):
                for pid in left_over:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                time.sleep(0.02)
            self._erl.wait()
        self._http.close()
        self._temporary.cleanup()

    def _processes(self) -> Iterator[int]:
        """All processes that this ejabberd started: each has the folder as its HOME."""
        mark = f"HOME={self.folder}".encode()
        for process in Path("/proc").glob("[0-9]*"):
            try:
                environment = (process / "environ").read_bytes()
            except OSError:  # it has ended, or belongs to another user
                continue
            if mark in environment.split(b"\0"):
                yield int(process.name)


def _executable(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return ""


def _parent(pid: int) -> int:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[1])
