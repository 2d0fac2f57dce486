"""Events in a row, while ejabberd is killed twice and the service five times.

``make storm`` sends 5,000 events; the default of 200 is enough for each test run.
"""

import asyncio
import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from extauth_http.signals.queue_entry import State
from tests.e2e.conftest import program_line
from tests.e2e.ejabberd import Ejabberd
from tests.e2e.test_kick_many import Client
from tests.integration.service import Service
from tests.signals.running_service import BEARER, Provider, SignalsService
from tests.signals.tokens import CAEP

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

COUNT = int(os.environ.get("STORM_EVENTS", "200"))
SENDERS = 8
AT_ONCE = 8  # logins
SECOND = 2.1  # seconds after which a session certainly started later: ejabberd rounds to a second
HALVES = (COUNT // 3, 2 * COUNT // 3)
"""Before which events ejabberd is killed."""

KILLS = tuple(COUNT * tenth // 10 for tenth in (1, 3, 5, 7, 9))
"""Before which events the service is killed."""


@dataclass
class User:
    """``accepted`` is set when a sender got a 2xx. ``old`` must end, ``new`` must stay."""

    name: str
    old: Client | None = None
    new: Client | None = None
    accepted: float = 0.0


@dataclass
class Storm:
    server: Ejabberd
    service: SignalsService
    provider: Provider
    users: list[User] = field(default_factory=lambda: [User(f"u{n:05}") for n in range(COUNT)])
    repeated: int = 0

    async def run(self) -> None:
        start = time.monotonic()
        with self.server:
            await self._log_in(self.users, is_new=False)
            self._say(f"{COUNT} users logged in", start)
            await self._send(0, HALVES[0])
        # Killed: all sessions are gone, events go on.
        await self._restart(*HALVES)
        await self._restart(HALVES[1], COUNT)
        self._say("done", start)

    async def _restart(self, first: int, end: int) -> None:
        """ejabberd is down while the next events arrive; then everybody logs in again."""
        down = (end - first) // 10
        await self._send(first, first + down)
        await asyncio.sleep(SECOND)
        with self.server:
            is_out = [user for user in self.users if user.accepted]
            is_in = [user for user in self.users if not user.accepted]
            await self._log_in(is_out, is_new=True)
            await self._log_in(is_in, is_new=False)
            start = time.monotonic()
            await self._send(first + down, end)
            self._say(f"{end - first - down} events accepted", start)
            await asyncio.to_thread(self.service.wait_until_done, 0, 600)
            self._say("the queue is empty", start)
            await self._check()

    async def _check(self) -> None:
        """Every user whose event was accepted has lost the old session, and kept the new one."""
        out = [user for user in self.users if user.accepted]
        for user in out:
            if user.old:
                await user.old.end()
        lost = [user.name for user in out if user.new and user.new._reading.done()]
        assert lost == []
        kept = [user.name for user in self.users if not user.accepted and user.old]
        assert [
            u.name for u in self.users if u.name in kept and u.old and u.old._reading.done()
        ] == []
        # A login with a good credential, after the event, is left alone by repeated events.
        again = [user for user in out if not user.new][:20]
        await asyncio.sleep(SECOND)
        await self._log_in(again, is_new=True)
        listed = {each.partition("@")[0] for each in self.server.api("connected_users")}
        expected = {user.name for user in self.users if user.new or not user.accepted}
        assert listed == expected

    async def _log_in(self, users: list[User], *, is_new: bool) -> None:
        room = asyncio.Semaphore(AT_ONCE)
        clients = [Client(user.name) for user in users]
        await asyncio.gather(*(client.log_in(self.server, room) for client in clients))
        for user, client in zip(users, clients, strict=True):
            if is_new:
                user.old, user.new = None, client
            else:
                user.old = client

    async def _send(self, first: int, end: int) -> None:
        """Sends the events of these users, each until it is accepted; kills on the way."""
        kills = [each for each in KILLS if first <= each < end]
        waiting = list(range(first, end))
        waiting.reverse()

        async def sender(http: httpx.AsyncClient) -> None:
            while waiting:
                number = waiting.pop()
                if number in kills:
                    await asyncio.to_thread(self.service.stop, signal.SIGKILL)
                    await asyncio.to_thread(self.service.start)
                await self._send_one(http, number)

        url = self.service.http.base_url
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=20) as http:
            await asyncio.gather(*(sender(http) for _ in range(SENDERS)))

    async def _send_one(self, http: httpx.AsyncClient, number: int) -> None:
        user = self.users[number]
        logout = self.provider.logout_token(user.name)
        event = self.provider.security_event(user.name, f"{CAEP}session-revoked")
        form = {"Content-Type": "application/secevent+jwt"}
        bearer = {"Authorization": f"Bearer {BEARER}"}
        body = {"jid": f"{user.name}@example.org", "id": f"w{number}"}
        while not user.accepted:
            try:
                match number % 3:
                    case 0:
                        answer = await http.post(
                            "/backchannel-logout", data={"logout_token": logout}
                        )
                    case 1:
                        answer = await http.post("/events", content=event, headers=form)
                    case _:
                        answer = await http.post("/revoke", json=body, headers=bearer)
            except httpx.TransportError:
                await asyncio.sleep(0.1)
                self.repeated += 1
                continue
            # 400 to a repeated logout token: it was received, and the answer was lost.
            assert answer.is_success or (answer.status_code == 400 and self.repeated), answer.text
            user.accepted = time.monotonic()

    def _say(self, text: str, start: float) -> None:
        print(f"storm: {text}, {time.monotonic() - start:.1f} s", flush=True)


def test_every_session_ends_and_none_after_a_new_login(tmp_path: Path) -> None:
    with Service() as everybody, Provider() as provider:
        server = Ejabberd(program_line(tmp_path, everybody.url), extauth_pool_size=4)
        api = f"http://127.0.0.1:{server.api_port}/api"
        text = 'no_fast = true\nhistory = "1h"'
        with SignalsService(tmp_path, api, provider.table(), text) as service:
            storm = Storm(server, service, provider)
            asyncio.run(storm.run())
            entries = service.entries()
            assert len(entries) == COUNT
            assert {entry.state for entry in entries} == {State.DONE}
            assert len({str(entry.event.subject) for entry in entries}) == COUNT
            print(f"storm: {storm.repeated} requests repeated after a kill")
