"""The provider reports a user: the sessions of that user end, and no others, as clients see it."""

import asyncio
import contextlib
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import pytest

from extauth_http.signals.queue_entry import State
from tests.e2e.admin import Operator, StanzaLog, is_message
from tests.e2e.conftest import program_line
from tests.e2e.ejabberd import Ejabberd
from tests.e2e.xmpp import Session, open_session, session
from tests.integration.service import Service
from tests.signals.running_service import Provider, SignalsService
from tests.signals.tokens import CAEP, RISC

pytestmark = pytest.mark.e2e

ALICE, BOB, PASSWORD = "alice@example.org", "bob@example.org", "wonder:land"
ENDED = 20.0  # seconds
Send = Callable[[SignalsService, Provider, str], httpx.Response]

SENDERS: dict[str, Send] = {
    "logout token": lambda service, provider, user: service.logout(provider.logout_token(user)),
    "session-revoked": lambda service, provider, user: service.security_event(
        provider.security_event(user, f"{CAEP}session-revoked")
    ),
    "account-disabled": lambda service, provider, user: service.security_event(
        provider.security_event(user, f"{RISC}account-disabled")
    ),
    "webhook": lambda service, _, user: service.revoke({"user": user, "host": "example.org"}),
}


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


@contextlib.contextmanager
def everything(
    folder: Path, provider: Provider, signals: str = ""
) -> Iterator[tuple[Ejabberd, SignalsService]]:
    """ejabberd, which lets everybody in, and the service."""
    with Service() as everybody:
        line = program_line(folder, everybody.url)
        with Ejabberd(line) as server:
            api = f"http://127.0.0.1:{server.api_port}/api"
            with SignalsService(folder, api, provider.table(), signals) as service:
                yield server, service


async def post(send: Send, service: SignalsService, provider: Provider, user: str) -> None:
    """Sends one report from a thread, and requires that it is accepted."""
    response = await asyncio.to_thread(send, service, provider, user)
    assert response.is_success, response.text


@pytest.mark.parametrize("sender", SENDERS)
def test_a_report_ends_the_sessions_of_its_user_and_of_nobody_else(
    tmp_path: Path, provider: Provider, sender: str
) -> None:
    async def life(server: Ejabberd, service: SignalsService) -> None:
        async with (
            session(server, ALICE, PASSWORD) as phone,
            session(server, ALICE, PASSWORD) as desk,
            session(server, BOB, PASSWORD) as bob,
        ):
            await post(SENDERS[sender], service, provider, "alice")
            for each in (phone, desk):
                await asyncio.wait_for(each.ended.wait(), ENDED)
            await asyncio.to_thread(service.wait_until_done)
            bob.send(BOB, "still here")
            assert (await bob.receive())["body"] == "still here"
            assert not bob.ended.is_set()

    with everything(tmp_path, provider) as (server, service):
        asyncio.run(life(server, service))
        (event,) = service.events("signal_revoked")
        assert (event["ended"], event["left_alone"]) == (2, 0)


def test_a_session_that_started_after_the_event_stays(tmp_path: Path, provider: Provider) -> None:
    """ejabberd was restarted, and the user has logged in again, before the event is completed."""

    async def life(server: Ejabberd, service: SignalsService) -> None:
        async with session(server, ALICE, PASSWORD) as old:
            # Half a minute ago, by the provider's clock, and it repeats the token only now.
            await asyncio.sleep(0)
            await post(SENDERS["webhook"], service, provider, "alice")
            await asyncio.wait_for(old.ended.wait(), ENDED)
        await asyncio.to_thread(service.wait_until_done)
        async with session(server, ALICE, PASSWORD) as back:
            await asyncio.sleep(1.1)  # the start of a session is known to the second
            late = provider.security_event(
                "alice", f"{CAEP}session-revoked", iat=int(time.time()) - 600
            )
            assert (await asyncio.to_thread(service.security_event, late)).status_code == 202
            await asyncio.to_thread(service.wait_until_done, 2)
            back.send(ALICE, "still here")
            assert (await back.receive())["body"] == "still here"

    with everything(tmp_path, provider) as (server, service):
        asyncio.run(life(server, service))
        assert [event["left_alone"] for event in service.events("signal_revoked")] == [0, 1]


def test_an_old_session_ends_and_a_newer_one_of_the_same_user_stays(
    tmp_path: Path, provider: Provider
) -> None:
    async def life(server: Ejabberd, service: SignalsService) -> None:
        async with session(server, ALICE, PASSWORD) as old:
            await asyncio.sleep(1.1)
            happened = int(time.time())
            await asyncio.sleep(2.1)
            async with session(server, ALICE, PASSWORD) as new:
                token = provider.security_event("alice", f"{CAEP}session-revoked", iat=happened)
                assert (await asyncio.to_thread(service.security_event, token)).is_success
                await asyncio.wait_for(old.ended.wait(), ENDED)
                await asyncio.to_thread(service.wait_until_done)
                new.send(ALICE, "still here")
                assert (await new.receive())["body"] == "still here"

    with everything(tmp_path, provider) as (server, service):
        text = service.config.read_text()
        service.stop()
        service.config.write_text(text.replace('claim = "sub"', 'claim = "sub"\nclock_skew = "0s"'))
        service.start()
        asyncio.run(life(server, service))
        (event,) = service.events("signal_revoked")
        assert (event["ended"], event["left_alone"]) == (1, 1)


def test_the_user_reads_why_before_the_session_ends(tmp_path: Path, provider: Provider) -> None:
    async def life(server: Ejabberd, service: SignalsService) -> None:
        async with session(server, ALICE, PASSWORD) as alice:
            stanzas = StanzaLog(alice)
            await post(SENDERS["logout token"], service, provider, "alice")
            await stanzas.wait_for(lambda stanza: is_message(stanza, "example.org", "You are out."))
            assert not alice.ended.is_set()
            await asyncio.wait_for(alice.ended.wait(), ENDED)

    with everything(tmp_path, provider, 'notify = "You are out."\ngrace = "1s"') as found:
        asyncio.run(life(*found))


def test_signals_test_reports_each_step(tmp_path: Path, provider: Provider) -> None:
    async def life(server: Ejabberd, service: SignalsService) -> None:
        operator = Operator(server, tmp_path)
        operator.config = service.config
        async with session(server, ALICE, PASSWORD) as alice, session(server, BOB, PASSWORD) as bob:
            ran = await operator.run_ok("signals", "test", "--jid", ALICE, "--json")
            await asyncio.wait_for(alice.ended.wait(), ENDED)
            assert not bob.ended.is_set()
        steps = {step["name"]: step for step in ran.json["steps"]}
        assert list(steps) == ["service", "key", "verification", "sessions"]
        assert all(step["is_good"] for step in steps.values())
        assert "sessions: 1 ended" in steps["sessions"]["message"]
        shown = await operator.run_ok("signals", "status", "--json")
        assert (shown.json["waiting"], shown.json["done"]) == (0, 1)

    with everything(tmp_path, provider) as found:
        asyncio.run(life(*found))


def test_the_time_from_the_report_to_the_end_of_the_stream_is_printed(
    tmp_path: Path, provider: Provider, capsys: pytest.CaptureFixture[str]
) -> None:
    """Beside ``user kick`` by hand and the bare call of the admin API; nothing is asserted."""

    async def measure(server: Ejabberd, end: Callable[[], Awaitable[object]]) -> float:
        alice: Session = await open_session(server, ALICE, PASSWORD)
        start = time.monotonic()
        ending = asyncio.ensure_future(end())
        await asyncio.wait_for(alice.ended.wait(), ENDED)
        seconds = time.monotonic() - start
        await ending
        return seconds

    async def life(server: Ejabberd, service: SignalsService) -> None:
        operator = Operator(server, tmp_path)
        ways: dict[str, Callable[[], Awaitable[object]]] = {
            **{
                name: lambda send=send: post(send, service, provider, "alice")  # type: ignore[misc]
                for name, send in SENDERS.items()
            },
            "extauth-http user kick": lambda: operator.run_ok("user", "kick", ALICE, "--yes"),
            "kick_user of the admin API": lambda: asyncio.to_thread(
                server.api, "kick_user", user="alice", host="example.org"
            ),
        }
        for name, end in ways.items():
            seconds = [await measure(server, end) for _ in range(10)]
            median, worst = statistics.median(seconds) * 1000, max(seconds) * 1000
            with capsys.disabled():
                print(f"\n{name}: median {median:.0f} ms, worst {worst:.0f} ms", end="")

    with everything(tmp_path, provider) as found:
        asyncio.run(life(*found))
        assert all(entry.state is State.DONE for entry in found[1].wait_until_done(40))
