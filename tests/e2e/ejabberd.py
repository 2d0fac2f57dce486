"""A real ejabberd for a test: unprivileged, in a folder of its own, on free loopback ports."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

ROOT = Path(os.environ.get("EJABBERD_ROOT", "/"))
"""The root of the system that ejabberd is taken from: this machine, or a chroot."""

START_SECONDS = 30


def ebin() -> Path | None:
    """The folder of ejabberd's code as seen from ROOT, or None where there is no ejabberd."""
    found = sorted(ROOT.glob("usr/lib/*/ejabberd-*/ebin/ejabberd.app"))
    return Path("/") / found[-1].parent.relative_to(ROOT) if found else None


def free_port() -> int:
    """A loopback port that nothing listens at."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


class Ejabberd:
    """A running server; use it with ``with``.

    ``options`` go into ``ejabberd.yml`` over the ones that stand here. ``whole`` is used instead
    of all of them: its listeners get free ports, ``c2s_port`` and ``api_port`` the first of each.
    """

    def __init__(
        self,
        program: str | None = None,
        *,
        hosts: Sequence[str] = ("example.org",),
        pool_size: int = 1,
        use_cache: bool = False,
        modules: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        whole: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ejabberd-"))
        self.folder.chmod(0o755)
        self.c2s_port, self.api_port, self._epmd_port = free_port(), free_port(), free_port()
        self.hosts = list(hosts)
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        config: dict[str, Any] = {
            "hosts": self.hosts,
            "loglevel": "info",
            "listen": [
                {"port": self.c2s_port, "ip": "127.0.0.1", "module": "ejabberd_c2s"},
                {
                    "port": self.api_port,
                    "ip": "127.0.0.1",
                    "module": "ejabberd_http",
                    "request_handlers": {"/api": "mod_http_api"},
                },
            ],
            "auth_use_cache": use_cache,
            "api_permissions": {
                "tests": {"who": {"ip": "127.0.0.1/8"}, "what": ["*"]},
            },
            "modules": {
                "mod_admin_extra": {},
                "mod_disco": {},
                "mod_http_api": {},
                "mod_offline": {},
                "mod_register": {"ip_access": "all"},
                "mod_roster": {},
                **(modules or {}),
            },
        }
        if program is not None:
            config |= {
                "auth_method": ["external"],
                "extauth_program": program,
                "extauth_pool_size": pool_size,
            }
        config |= options or {}
        if whole is not None:
            config = {**whole, "listen": [self._on_free_port(each) for each in whole["listen"]]}
            self.hosts = config["hosts"]
        self.config = self.folder / "ejabberd.yml"
        self.config.write_text(json.dumps(config, indent=2))

    def _on_free_port(self, listener: Mapping[str, Any]) -> dict[str, Any]:
        ports = {"ejabberd_c2s": self.c2s_port, "ejabberd_http": self.api_port}
        port = ports.get(listener["module"]) or free_port()
        return {**listener, "port": port, "ip": "127.0.0.1"}

    def __enter__(self) -> Self:
        code = ebin()
        assert code is not None, "no ejabberd on this machine"
        log = self.folder / "log"
        log.mkdir()
        node = f"e{self.c2s_port}@localhost"
        command = [
            *(["chroot", str(ROOT)] if Path("/") != ROOT else []),
            "erl",
            "-noinput",
            "-sname",
            node,
            "-setcookie",
            "C",
            "-mnesia",
            "dir",
            f'"{self.folder}/spool"',
            "-ejabberd",
            "config",
            f'"{self.config}"',
            "log_path",
            f'"{log}/ejabberd.log"',
            "-pa",
            str(code),
            "-s",
            "ejabberd",
        ]
        environment = {
            "PATH": os.environ["PATH"] + ":/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "EJABBERD_CONFIG_PATH": str(self.config),
            **self._environment,
        }
        output = os.open(self.folder / "erl.out", os.O_WRONLY | os.O_CREAT)
        self._process = subprocess.Popen(
            command,
            cwd="/",
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        os.close(output)
        try:
            self._wait_until_up()
        except BaseException:
            self._stop()
            raise
        return self

    def _wait_until_up(self) -> None:
        assert self._process is not None
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            with contextlib.suppress(OSError, httpx.HTTPError, ApiError):
                socket.create_connection(("127.0.0.1", self.c2s_port), 1).close()
                self.api("status")
                return
            time.sleep(0.05)
        output = (self.folder / "erl.out").read_text(errors="replace")
        raise AssertionError(f"ejabberd did not start:\n{output[-3000:]}\n{self.log()[-3000:]}")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            print(self.log()[-5000:])
        self._stop()

    def _stop(self) -> None:
        assert self._process is not None
        for process in (self._process.pid, *self._epmd()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _epmd(self) -> list[int]:
        """The port mapper that this node started for itself."""
        return [
            pid
            for pid, command, variables in _processes()
            if "epmd" in command and f"ERL_EPMD_PORT={self._epmd_port}" in variables
        ]

    def program_pids(self, name: str = "extauth") -> list[int]:
        """The pool members, by a word of their command line."""
        assert self._process is not None
        return sorted(
            pid
            for pid, command, variables in _processes()
            if name in command
            and f"ERL_EPMD_PORT={self._epmd_port}" in variables
            and "beam" not in command
            and not command.startswith(("/bin/sh", "sh\0"))
        )

    def api(self, command: str, **arguments: Any) -> Any:
        """One command of ejabberd's admin API. Raises ApiError with what it answered."""
        answer = httpx.post(
            f"http://127.0.0.1:{self.api_port}/api/{command}",
            json=arguments,
            timeout=70,
            trust_env=False,
        )
        if answer.status_code != 200:
            raise ApiError(f"{command}: {answer.status_code} {answer.text}")
        return answer.json()

    def check_password(self, user: str, password: str, host: str | None = None) -> bool:
        """Whether ejabberd lets this user in."""
        answer = self.api(
            "check_password", user=user, host=host or self.hosts[0], password=password
        )
        return bool(answer == 0)

    def log(self) -> str:
        """ejabberd's own log."""
        file = self.folder / "log" / "ejabberd.log"
        return file.read_text(errors="replace") if file.exists() else ""


class ApiError(Exception):
    """ejabberd's API did not answer with 200."""


def _processes() -> list[tuple[int, str, str]]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                command = (entry / "cmdline").read_text(errors="replace")
                found.append(
                    (int(entry.name), command, (entry / "environ").read_text(errors="replace"))
                )
    return found
