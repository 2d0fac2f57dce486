"""Faults of the service and the configuration, for the program and for a simple script."""

import asyncio
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from slixmpp.exceptions import IqError

from tests.e2e.conftest import program_line
from tests.e2e.ejabberd import ApiError, Ejabberd
from tests.e2e.xmpp import login, logs_in, session
from tests.integration.service import Request, Service, answering, http

pytestmark = pytest.mark.e2e
ALICE = "alice@example.org"

SCRIPT = """
import os, sys
import httpx
url = sys.argv[1]
client = httpx.Client(timeout=60)
def read(n):
    data = b""
    while len(data) < n:
        more = os.read(0, n - len(data))
        if not more: sys.exit()
        data += more
    return data
while True:
    operation, user, host, *password = read(int.from_bytes(read(2))).decode().split(":", 3)
    body = {"user": user, "host": host, **({"password": password[0]} if password else {})}
    allowed = client.post(f"{url}/{operation}", json=body).json() is True
    os.write(1, b"\\0\\2\\0" + (b"\\1" if allowed else b"\\0"))
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A simple script without handling of errors."""
    file = tmp_path / "extauth_script.py"
    file.write_text(SCRIPT)
    return file


def right(request: Request, connection: object) -> None:
    """Answers yes to the password ``right``, and refuses a new password."""
    if request.target.endswith("/setpass"):
        result = "false"
    else:
        result = "true" if request.json().get("password", "right") == "right" else "false"
    connection.sendall(http(200, result))  # type: ignore[attr-defined]


@pytest.fixture
def service() -> Iterator[Service]:
    with Service(right) as running:
        yield running


def fails(ejabberd: Ejabberd, command: str, **arguments: str) -> str:
    with pytest.raises(ApiError) as caught:
        ejabberd.api(command, **arguments)
    return str(caught.value)


class TestInvalidConfigurationAtTheStart:
    """ejabberd starts while the configuration has an error, which is corrected afterwards."""

    def test_the_program_answers_undecided_until_the_configuration_is_valid(
        self, service: Service, tmp_path: Path
    ) -> None:
        line = program_line(tmp_path, service.url, more="nonsense = 1")
        with Ejabberd(line, extauth_pool_size=2) as ejabberd:
            members = ejabberd.whole_pool()
            assert not logs_in(ejabberd, ALICE, "right")
            alice = {"user": "alice", "host": "example.org"}
            assert "Database failure" in fails(ejabberd, "register", **alice, password="new")
            # ejabberd first asks whether the user exists, and takes undecided as no.
            assert "unknown_user" in fails(ejabberd, "change_password", **alice, newpass="new")
            program_line(tmp_path, service.url)
            assert logs_in(ejabberd, ALICE, "right")
            assert ejabberd.program_pids() == members

    def test_the_script_is_not_started_again(
        self, service: Service, tmp_path: Path, script: Path
    ) -> None:
        """Its start script reads the address of the service from a file that is missing."""
        url = tmp_path / "url"
        start = tmp_path / "start"
        start.write_text(
            f"#!/bin/sh\nread -r url <{url} || exit 1\nexec {sys.executable} {script} $url\n"
        )
        start.chmod(0o755)
        with Ejabberd(str(start), extauth_pool_size=2) as ejabberd:
            wait_until_ejabberd_gives_up(ejabberd)
            url.write_text(f"{service.url}\n")
            assert not ejabberd.check_password("alice", "example.org", "right")
            time.sleep(2)
            assert not ejabberd.check_password("alice", "example.org", "right")
            assert ejabberd.program_pids() == set()


def wait_until_ejabberd_gives_up(ejabberd: Ejabberd) -> None:
    """Returns when ejabberd has stopped to restart the program.

    It stops when about 30 starts have failed within a second. A slower machine gets there as well,
    because the program is restarted until then.
    """
    given_up = re.compile(
        r"ejabberd_backend_sup\}\s+errorContext: shutdown\s+reason: reached_max_restart_intensity"
    )
    end = time.monotonic() + 60
    while not given_up.search(ejabberd.log()):
        assert time.monotonic() < end, "ejabberd still restarts the program"
        time.sleep(0.1)


async def storm(ejabberd: Ejabberd, clients: int) -> int:
    """The number of successful logins if this many clients log in at once."""
    names = [f"user{number}@example.org" for number in range(clients)]
    return sum(await asyncio.gather(*(login(ejabberd, name, "right") for name in names)))


class TestServiceOutage:
    """The service stops for ten seconds while forty clients log in, and starts again."""

    def outage(self, ejabberd: Ejabberd, service: Service) -> tuple[bool, int]:
        """Whether the pool members are the same, and the number of successful logins afterwards."""
        assert asyncio.run(storm(ejabberd, 40)) == 40
        members = ejabberd.whole_pool()
        port = service.port
        service.__exit__()
        until = time.monotonic() + 10
        while time.monotonic() < until:
            assert asyncio.run(storm(ejabberd, 40)) == 0
            time.sleep(0.5)
        with Service(right, port=port):
            after = asyncio.run(storm(ejabberd, 40))
        return ejabberd.program_pids() == members, after

    def test_logins_work_again_and_no_pool_member_was_restarted(
        self, service: Service, tmp_path: Path
    ) -> None:
        with Ejabberd(program_line(tmp_path, service.url), extauth_pool_size=4) as ejabberd:
            assert self.outage(ejabberd, service) == (True, 40)

    def test_the_script_is_restarted(self, service: Service, tmp_path: Path, script: Path) -> None:
        line = f"{sys.executable} {script} {service.url}"
        with Ejabberd(line, extauth_pool_size=4) as ejabberd:
            unchanged, _ = self.outage(ejabberd, service)
            assert not unchanged


class TestServiceFailsForWrites:
    """The service answers 503 to a new password."""

    def test_change_password_reports_a_failure_of_the_database(
        self, service: Service, tmp_path: Path
    ) -> None:
        def half(request: Request, connection: object) -> None:
            write = request.target.endswith("/setpass")
            connection.sendall(http(503) if write else http(200, "true"))  # type: ignore[attr-defined]

        service.behave = half
        with Ejabberd(program_line(tmp_path, service.url)) as ejabberd:
            change = {"user": "alice", "host": "example.org", "newpass": "new"}
            assert "db_failure" in fails(ejabberd, "change_password", **change)


class TestRefusedPassword:
    """The service refuses a new password."""

    async def change(self, ejabberd: Ejabberd) -> None:
        async with session(ejabberd, ALICE, "right") as client:
            await client.change_password("too weak")

    def test_the_client_sees_an_error(self, service: Service, tmp_path: Path) -> None:
        with Ejabberd(program_line(tmp_path, service.url)) as ejabberd, pytest.raises(IqError):
            asyncio.run(self.change(ejabberd))

    def test_with_the_script_the_client_sees_success(
        self, service: Service, tmp_path: Path, script: Path
    ) -> None:
        with Ejabberd(f"{sys.executable} {script} {service.url}") as ejabberd:
            asyncio.run(self.change(ejabberd))


def never(_: Request, __: object) -> None:
    time.sleep(60)


class TestSlowService:
    """The service takes 60 s for every answer."""

    def test_ejabberd_kills_no_pool_member(self, tmp_path: Path) -> None:
        with (
            Service(never) as service,
            Ejabberd(program_line(tmp_path, service.url), extauth_pool_size=2) as ejabberd,
        ):
            members = ejabberd.whole_pool()
            for _ in range(2):
                assert not ejabberd.check_password("alice", "example.org", "right")
            service.behave = answering(http(200, "true"))
            assert ejabberd.check_password("alice", "example.org", "right")
            assert ejabberd.program_pids() == members

    def test_ejabberd_kills_the_script(self, tmp_path: Path, script: Path) -> None:
        with Service(never) as service:
            line = f"{sys.executable} {script} {service.url}"
            with Ejabberd(line, extauth_pool_size=1) as ejabberd:
                members = ejabberd.whole_pool()
                assert not ejabberd.check_password("alice", "example.org", "right")
                end = time.monotonic() + 10
                while ejabberd.program_pids() == members:
                    assert time.monotonic() < end, "the pool member is still the same"
                    time.sleep(0.1)
