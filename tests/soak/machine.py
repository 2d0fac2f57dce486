"""Everything that runs during the long run: the service, ``serve``, ejabberd with its relays."""

import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trustme
from benchmarks.pool import connects, pss, until

from tests.e2e.ejabberd import Ejabberd, free_ports
from tests.integration.program import EXECUTABLE
from tests.service.processes import ServeProcess
from tests.small_disk import small_disk

NAME = "accounts.example.org"
POOL = 32
BACKLOG = 1024
ADDRESSES = ("127.0.0.1", "127.0.0.2")

OWN_HOSTS = 'mount --bind "$0" /etc/hosts; exec "$@"'
"""A shell command that starts a program with its own ``/etc/hosts``. The mount ends with it."""


class PasswordServiceProcess:
    """The service of the accounts, its certificate and the address that its name resolves to."""

    def __init__(self, folder: Path) -> None:
        self.hosts = folder / "hosts"
        self.ca_file = folder / "ca.pem"
        self._certificate = folder / "service.pem"
        self._ca = trustme.CA()
        self._ca.cert_pem.write_to_path(str(self.ca_file))
        [self.port] = free_ports(1)
        self.address = ADDRESSES[0]
        self._write_certificate()
        self.point_name_to(self.address)
        self.start()

    @property
    def url(self) -> str:
        return f"https://{NAME}:{self.port}/"

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.soak.service", self.address, str(self.port)]
        self.process = subprocess.Popen([*command, str(self._certificate)], stderr=sys.stderr)
        until(lambda: connects(socket.AF_INET, (self.address, self.port)))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def renew_certificate(self) -> None:
        self._write_certificate()
        self.process.send_signal(signal.SIGHUP)

    def move(self) -> None:
        """Ends the service and starts it at the other address."""
        self.kill()
        [self.address] = set(ADDRESSES) - {self.address}
        self.start()
        self.point_name_to(self.address)

    def point_name_to(self, address: str) -> None:
        """All entries have the same length, so a reader never sees an incomplete file."""
        file = os.open(self.hosts, os.O_WRONLY | os.O_CREAT, 0o644)
        os.pwrite(file, f"{address} {NAME}\n".encode(), 0)
        os.close(file)

    def _write_certificate(self) -> None:
        self._ca.issue_cert(NAME).private_key_and_cert_chain_pem.write_to_path(
            str(self._certificate)
        )


class Machine:
    """The parts of the long run. ``disk`` holds the configuration, the log and the socket."""

    def __init__(
        self,
        disk: Path,
        service: PasswordServiceProcess,
        serving: ServeProcess,
        server: Ejabberd,
    ) -> None:
        self.disk = disk
        self.service = service
        self.serving = serving
        self.server = server

    def relays(self) -> list[int]:
        return sorted(self.server.program_pids())

    def serve_pids(self) -> list[int]:
        """The supervisor and its workers."""
        return [self.serving.process.pid, *self.serving.workers()]

    def log_files(self) -> list[Path]:
        return sorted(self.disk.glob("serve.log*"))

    def ejabberd_uptime(self) -> float:
        """Seconds since the start of ejabberd."""
        return float(self.server.api("stats", name="uptimeseconds")["stat"])


def megabytes(pids: list[int]) -> float:
    """The memory of processes (PSS). One that has just ended counts as 0."""
    total = 0.0
    for pid in pids:
        try:
            total += pss(pid)
        except OSError:
            continue
    return total


def descriptors(pids: list[int]) -> int:
    """The number of open files of processes. One that has just ended counts as 0."""
    total = 0
    for pid in pids:
        try:
            total += len(os.listdir(f"/proc/{pid}/fd"))
        except OSError:
            continue
    return total


def configuration(service: PasswordServiceProcess) -> str:
    return f"""
[backend]
kind = "rest"
url = "{service.url}"
[backend.tls]
ca_file = "{service.ca_file}"
"""


def ejabberd(serving: ServeProcess) -> Ejabberd:
    relay = shlex.join([str(EXECUTABLE), "relay", "--socket", str(serving.socket)])
    server = Ejabberd(relay, extauth_pool_size=POOL)
    server.config["listen"][0]["backlog"] = BACKLOG
    return server


@contextmanager
def machine(folder: Path) -> Iterator[Machine]:
    """Starts all parts, and ends them after the ``with``."""
    service = PasswordServiceProcess(folder)
    own_hosts = ("unshare", "--mount", "--propagation", "private", "sh", "-c", OWN_HOSTS)
    try:
        with (
            small_disk(folder, "64m") as disk,
            ServeProcess(
                disk, configuration(service), wrapper=(*own_hosts, str(service.hosts))
            ) as serving,
            ejabberd(serving) as server,
        ):
            server.whole_pool()
            yield Machine(disk, service, serving, server)
    finally:
        service.kill()
