"""Each of these is done to the program and to the short script that a user would write."""

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
    said = client.post(f"{url}/{operation}", json=body).json() is True
    os.write(1, b"\\0\\2\\0" + (b"\\1" if said else b"\\0"))
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """What a user would write: nothing is wrong with it, until something is."""
    file = tmp_path / "extauth_script.py"
    file.write_text(SCRIPT)
    return file


def right(request: Request, connection: object) -> None:
    """Yes to the password ``right``; a new one is refused."""
    if request.target.endswith("/setpass"):
        said = "false"
    else:
        said = "true" if request.json().get("password", "right") == "right" else "false"
    connection.sendall(http(200, said))  # type: ignore[attr-defined]


@pytest.fixture
def service() -> Iterator[Service]:
    with Service(right) as running:
        yield running


def fails(ejabberd: Ejabberd, command: str, **arguments: str) -> str:
    with pytest.raises(ApiError) as caught:
        ejabberd.api(command, **arguments)
    return str(caught.value)


class TestBrokenAtTheStart:
    """ejabberd starts while the configuration is broken, which is mended afterwards."""

    def test_the_program_answers_that_it_cannot_tell_and_heals(
        self, service: Service, tmp_path: Path
    ) -> None:
        line = program_line(tmp_path, service.url, more="nonsense = 1")
        with Ejabberd(line, extauth_pool_size=2) as ejabberd:
            members = ejabberd.whole_pool()
            assert not logs_in(ejabberd, ALICE, "right")
            alice = {"user": "alice", "host": "example.org"}
            assert "Database failure" in fails(ejabberd, "register", **alice, password="new")
            # ejabberd asks first whether there is such a user, and takes no answer for a no.
            assert "unknown_user" in fails(ejabberd, "change_password", **alice, newpass="new")
            program_line(tmp_path, service.url)
            assert logs_in(ejabberd, ALICE, "right")
            assert ejabberd.program_pids() == members

    def test_the_script_is_dead_for_good(
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
    """How many of so many clients get in at once."""
    names = [f"user{number}@example.org" for number in range(clients)]
    return sum(await asyncio.gather(*(login(ejabberd, name, "right") for name in names)))


class TestServiceAway:
    """The service goes away for ten seconds under forty clients and comes back."""

    def away(self, ejabberd: Ejabberd, service: Service) -> tuple[bool, int]:
        """Whether the pool is as before, and how many of forty clients get in afterwards."""
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

    def test_logins_work_again_at_once_and_no_pool_member_was_restarted(
        self, service: Service, tmp_path: Path
    ) -> None:
        with Ejabberd(program_line(tmp_path, service.url), extauth_pool_size=4) as ejabberd:
            assert self.away(ejabberd, service) == (True, 40)

    def test_the_script_takes_all_logins_with_it(
        self, service: Service, tmp_path: Path, script: Path
    ) -> None:
        line = f"{sys.executable} {script} {service.url}"
        with Ejabberd(line, extauth_pool_size=4) as ejabberd:
            unharmed, _ = self.away(ejabberd, service)
            assert not unharmed


class TestServiceDownForWrites:
    """The service cannot tell whether a password was set."""

    def test_change_password_says_that_the_database_failed(
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

    def test_the_client_is_told_so(self, service: Service, tmp_path: Path) -> None:
        with Ejabberd(program_line(tmp_path, service.url)) as ejabberd, pytest.raises(IqError):
            asyncio.run(self.change(ejabberd))

    def test_with_the_script_the_client_is_told_that_it_was_changed(
        self, service: Service, tmp_path: Path, script: Path
    ) -> None:
        with Ejabberd(f"{sys.executable} {script} {service.url}") as ejabberd:
            asyncio.run(self.change(ejabberd))


def never(_: Request, __: object) -> None:
    time.sleep(60)


class TestSlowService:
    """The service takes 60 s for every answer."""

    def test_ejabberd_never_has_to_kill_a_pool_member(self, tmp_path: Path) -> None:
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

    def test_the_scripts_member_is_killed(self, tmp_path: Path, script: Path) -> None:
        with Service(never) as service:
            line = f"{sys.executable} {script} {service.url}"
            with Ejabberd(line, extauth_pool_size=1) as ejabberd:
                members = ejabberd.whole_pool()
                assert not ejabberd.check_password("alice", "example.org", "right")
                end = time.monotonic() + 10
                while ejabberd.program_pids() == members:
                    assert time.monotonic() < end, "the pool member is still the same"
                    time.sleep(0.1)
