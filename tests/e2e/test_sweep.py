"""``user sweep``: users who were removed at the service lose their sessions, as clients see it."""

import asyncio
from pathlib import Path

import pytest

from tests.e2e.admin import Operator
from tests.e2e.conftest import program_line
from tests.e2e.ejabberd import Ejabberd
from tests.e2e.xmpp import login, sessions
from tests.signals.running_service import SignalsService, wait_for
from tests.token_service import TokenService

pytestmark = pytest.mark.e2e
ALICE, BOB = "alice@example.org", "bob@example.org"
SWEEP = ("user", "sweep", "--yes", "--json")


def test_a_removed_user_loses_the_session_and_nobody_else_does(
    service: TokenService, tmp_path: Path
) -> None:
    """mod_last knows bob, so ejabberd itself would say that bob exists (23.10 and newer)."""
    service.add(BOB, "another")

    async def life(server: Ejabberd) -> None:
        accounts = [(ALICE, "wonder:land"), (BOB, "another"), (BOB, "another")]
        operator = Operator(
            server, tmp_path, backend=f'[backend]\nkind = "rest"\nurl = "{service.url}"'
        )
        async with sessions(server, accounts) as (alice, bob, also_bob):
            result = await operator.run_ok(*SWEEP)
            assert result.json == {"connected": 2, "existing": 2, "not_asked": 0, "outcomes": []}
            service.remove(BOB)
            result = await operator.run(*SWEEP, "--at-most", "0")
            assert (result.code, bob.ended.is_set()) == (1, False)
            result = await operator.run_ok(*SWEEP)
            (outcome,) = result.json["outcomes"]
            assert (outcome["target"], outcome["ended"]) == (BOB, 2)
            for session in (bob, also_bob):
                await asyncio.wait_for(session.ended.wait(), 20)
            assert not await login(server, BOB, "another")
            nowhere = 'kind = "rest"\nurl = "http://127.0.0.1:1/"'
            down = Operator(server, tmp_path, backend=f"[backend]\n{nowhere}")
            result = await down.run(*SWEEP)
            assert (result.code, result.json["outcomes"][0]["state"]) == (1, "not known")
            assert not alice.ended.is_set()

    with Ejabberd(program_line(tmp_path, service.url)) as server:
        asyncio.run(life(server))


def test_the_signals_service_sweeps_on_a_schedule(service: TokenService, tmp_path: Path) -> None:
    service.add(BOB, "another")

    async def life(server: Ejabberd) -> None:
        async with sessions(server, [(ALICE, "wonder:land"), (BOB, "another")]) as (alice, bob):
            service.remove(BOB)
            await asyncio.wait_for(bob.ended.wait(), 20)
            assert not alice.ended.is_set()

    backend = f'[signals.sweep]\nevery = "1s"\n[backend]\nkind = "rest"\nurl = "{service.url}"'
    with Ejabberd(program_line(tmp_path, service.url)) as server:
        api = f"http://127.0.0.1:{server.api_port}/api"
        with SignalsService(tmp_path, api, backend) as signals:
            asyncio.run(life(server))
            wait_for(lambda: signals.metric("swept_total") == 1)
