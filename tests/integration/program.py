"""The real program in a process of its own, with pipes as ejabberd creates them."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from extauth_http.protocol.command import Command, Operation
from extauth_http.protocol.packet_parser import packet
from tests.credentials import NEW_PASSWORD, PASSWORD

EXECUTABLE = Path(sys.executable).parent / "extauth-http"
ALLOW, DENY, UNDECIDED = b"\x00\x02\x00\x01", b"\x00\x02\x00\x00", b"\x00\x02\x00\x02"
SECONDS = 20
"""How long a test waits for an event before it fails."""


def auth(password: str = PASSWORD, user: str = "alice", host: str = "example.org") -> bytes:
    return packet(Command(Operation.AUTH, user, host, password))


def setpass(password: str = NEW_PASSWORD) -> bytes:
    return packet(Command(Operation.SETPASS, "alice", "example.org", password))


def isuser(user: str = "alice", host: str = "example.org") -> bytes:
    return packet(Command(Operation.ISUSER, user, host))


class Program:
    """``extauth-http`` with a configuration, until the end of the ``with``.

    Its output is a pipe in packet mode (``pipe2`` with ``O_DIRECT``), so that what one read gets
    is what one write put there.
    """

    def __init__(
        self,
        folder: Path,
        config: str,
        *,
        arguments: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None,
        stderr: int | None = None,
        log: Path | None = None,
        wrapper: tuple[str, ...] = (),
    ) -> None:
        self.folder = folder
        self.config = folder / "extauth-http.toml"
        self.log_file = log or folder / "log"
        self.write_config(config)
        self.stderr_file = folder / "stderr"
        read_end, write_end = os.pipe2(os.O_DIRECT | os.O_CLOEXEC)
        self.answers = read_end
        with self.stderr_file.open("wb") as error_output:
            self.process = subprocess.Popen(
                [*wrapper, EXECUTABLE, "--config", self.config, *arguments],
                stdin=subprocess.PIPE,
                stdout=write_end,
                stderr=error_output if stderr is None else stderr,
                env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **(environment or {})},
                cwd="/",
                start_new_session=True,  # so that left-over processes can be found
            )
        os.close(write_end)

    def write_config(self, config: str) -> None:
        """Writes a configuration with this text and, if it has no ``[log]``, the log file."""
        log = f'[log]\nlevel = "debug"\nfile = "{self.log_file}"\n'
        draft = self.config.with_suffix(".new")
        draft.write_text(config + log if "[log]" not in config else config)
        draft.rename(self.config)

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
            with contextlib.suppress(OSError):
                os.close(self.answers)

    def write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def read(self, seconds: float = SECONDS) -> bytes:
        """Reads what the program wrote in one write. Returns nothing at end of output."""
        ready, _, _ = select.select([self.answers], [], [], seconds)
        assert ready, f"no answer in {seconds} s; stderr: {self.stderr()[-2000:]}"
        return os.read(self.answers, 65536)

    def ask(self, framed: bytes, seconds: float = SECONDS) -> bytes:
        self.write(framed)
        return self.read(seconds)

    def close_input(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def wait(self) -> int:
        """Waits for the end and returns the exit code."""
        return self.process.wait(SECONDS)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stderr(self) -> str:
        return self.stderr_file.read_text(errors="replace")

    def log(self) -> list[dict[str, Any]]:
        """The events of the log file."""
        if not self.log_file.exists():
            return []
        return [json.loads(line) for line in self.log_file.read_text().splitlines()]

    def logged(self, event: str = "answer", count: int = 1) -> list[dict[str, Any]]:
        """Waits for so many events of this name, because a reply goes out before its log event."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            found = [line for line in self.log() if line["event"] == event]
            if len(found) >= count:
                return found
            time.sleep(0.005)
        raise AssertionError(f"not {count} times {event} in the log: {self.log()}")

    def reasons(self, count: int = 1) -> list[str]:
        return [line["reason"] for line in self.logged(count=count)]


def rest(url: str, more: str = "", top: str = "") -> str:
    """A configuration with a ``rest`` backend. ``more`` is text in its table, ``top`` before it."""
    return f'{top}\n[backend]\nkind = "rest"\nurl = "{url}"\n{more}\n'
