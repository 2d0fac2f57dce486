"""The test server and the XMPP clients that other end-to-end tests use work as described."""

import asyncio
import json
import os
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from slixmpp.exceptions import IqError

from tests.e2e.ejabberd import ApiError, Ejabberd
from tests.e2e.xmpp import LoginRefusedError, login, open_session, session, sessions

pytestmark = pytest.mark.e2e

# Answers 1 for the accounts in accounts.json, otherwise 0; setpass changes the file.
PROGRAM = """
import json, pathlib, sys

accounts = pathlib.Path(sys.argv[1])
while header := sys.stdin.buffer.read(2):
    packet = sys.stdin.buffer.read(int.from_bytes(header, "big")).decode()
    operation, user, host, *rest = packet.split(":", 3)
    known = json.loads(accounts.read_text())
    if operation == "auth":
        yes = known.get(user) == rest[0]
    elif operation == "setpass":
        accounts.write_text(json.dumps({**known, user: rest[0]}))
        yes = True
    else:
        yes = user in known
    sys.stdout.buffer.write(b"\\0\\2\\0" + bytes([yes]))
    sys.stdout.buffer.flush()
"""
EMOJI = "a:b::c \N{SNOWMAN}\N{GRINNING FACE}:"


@pytest.fixture(scope="module")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("accounts") / "accounts.json"


@pytest.fixture(autouse=True)
def _reset(accounts: Path) -> None:
    accounts.write_text(json.dumps({"ada": "secret", "bob": "other", "eve": EMOJI}))


@pytest.fixture(scope="module")
def program(accounts: Path) -> str:
    script = accounts.with_name("program.py")
    script.write_text(PROGRAM)
    return shlex.join([sys.executable, str(script), str(accounts)])


@pytest.fixture(scope="module")
def server(program: str) -> Iterator[Ejabberd]:
    with Ejabberd(program, extauth_pool_size=2) as running:
        yield running


@pytest.mark.parametrize(
    ("user", "password", "accepted"),
    [
        ("ada", "secret", True),
        ("ada", "other", False),
        ("nobody", "secret", False),
        ("eve", EMOJI, True),
        ("eve", EMOJI.strip(":"), False),
    ],
)
def test_a_client_and_the_admin_api_get_the_verdict_of_the_program(
    server: Ejabberd, user: str, password: str, accepted: bool
) -> None:
    assert asyncio.run(login(server, f"{user}@example.org", password)) is accepted
    assert server.check_password(user, "example.org", password) is accepted


def test_a_refused_login_has_a_condition(server: Ejabberd) -> None:
    with pytest.raises(LoginRefusedError, match="not-authorized"):
        asyncio.run(open_session(server, "ada@example.org", "wrong"))


def test_many_sessions_at_the_same_time_exchange_messages(server: Ejabberd) -> None:
    async def talk() -> None:
        names = [(f"ada@example.org/{number}", "secret") for number in range(10)]
        async with (
            sessions(server, names) as opened,
            session(server, "bob@example.org", "other") as bob,
        ):
            assert len(server.api("connected_users")) == 11
            for ada in opened:
                bob.send(ada.jid, f"hello {ada.jid}")
            for ada in opened:
                message = await ada.receive()
                assert message["body"] == f"hello {ada.jid}"
                assert message["from"] == bob.jid

    asyncio.run(talk())


def test_a_kicked_session_ends(server: Ejabberd) -> None:
    async def kick() -> None:
        async with session(server, "ada@example.org", "secret") as ada:
            await asyncio.to_thread(server.api, "kick_user", user="ada", host="example.org")
            await asyncio.wait_for(ada.ended.wait(), 10)

    asyncio.run(kick())


def test_a_client_changes_its_password_in_band(server: Ejabberd) -> None:
    async def change() -> None:
        async with session(server, "ada@example.org", "secret") as ada:
            await ada.change_password("new")

    asyncio.run(change())
    assert server.check_password("ada", "example.org", "new")


def test_a_password_change_that_the_server_refuses_raises(program: str) -> None:
    async def change(server: Ejabberd) -> None:
        async with session(server, "ada@example.org", "secret") as ada:
            with pytest.raises(IqError):
                await ada.change_password("new")

    with Ejabberd(program, modules={}) as without_mod_register:
        asyncio.run(change(without_mod_register))


def test_an_unknown_command_is_a_clear_error(server: Ejabberd) -> None:
    with pytest.raises(ApiError, match="nonesuch: status 404"):
        server.api("nonesuch")


def test_a_restarted_pool_member_has_another_pid(server: Ejabberd) -> None:
    before = server.whole_pool()
    killed = min(before)
    os.kill(killed, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while killed in server.program_pids() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert before & server.whole_pool() == before - {killed}


def test_no_process_of_a_server_is_left_after_it_has_stopped(tmp_path: Path) -> None:
    stubborn = tmp_path / "stubborn.py"
    stubborn.write_text("import signal, time\nsignal.signal(15, signal.SIG_IGN)\ntime.sleep(600)\n")
    with Ejabberd(shlex.join([sys.executable, str(stubborn)])) as server:
        (pid,) = server.whole_pool()
        folder = server.folder
    cmdline = Path(f"/proc/{pid}/cmdline")  # empty for a process that has ended and was not reaped
    assert not cmdline.exists() or not cmdline.read_bytes()
    assert not folder.exists()


def test_a_server_that_cannot_start_raises_an_error_with_the_reason() -> None:
    with pytest.raises(RuntimeError, match="nonesuch"), Ejabberd("true", options={"nonesuch": 1}):
        pass
