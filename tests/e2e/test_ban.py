"""``user ban``, ``unban`` and ``bans``: a ban holds while the service is down."""

import asyncio
from pathlib import Path

import pytest

from tests.e2e import oauth
from tests.e2e.admin import Operator
from tests.e2e.conftest import program_line
from tests.e2e.ejabberd import MODULES, Ejabberd, free_ports
from tests.e2e.installation import VERSION
from tests.e2e.raw_stream import RawStream
from tests.e2e.xmpp import login, logs_in, open_session
from tests.token_service import TokenService

pytestmark = pytest.mark.e2e
ALICE, BOB, PASSWORD = "alice@example.org", "bob@example.org", "wonder:land"
CAN_BAN = VERSION >= (25, 8)
BAN = ("user", "ban", ALICE, "--yes", "--json")


def states(outcomes: list[dict[str, str]]) -> list[str]:
    return [each["state"] for each in outcomes]


@pytest.mark.skipif(CAN_BAN, reason="this release can ban")
def test_an_older_release_refuses_and_nothing_is_sent_to_the_service(
    service: TokenService, program: str, tmp_path: Path
) -> None:
    with Ejabberd(program) as server:
        operator = Operator(server, tmp_path)
        revoke = ("user", "revoke", ALICE, "--ban", "--no-verify", "--yes")
        for words in (BAN, revoke, ("user", "unban", ALICE), ("user", "bans")):
            result = asyncio.run(operator.run(*words))
            assert (result.code, "cannot ban: its ban_account" in result.err) == (2, True)
        assert logs_in(server, ALICE, PASSWORD)


@pytest.mark.skipif(not CAN_BAN, reason="this release cannot ban")
def test_a_banned_user_is_out_until_the_ban_is_lifted(
    service: TokenService, program: str, tmp_path: Path
) -> None:
    service.add(BOB, "another")

    async def life(server: Ejabberd, token: bytes) -> None:
        operator = Operator(server, tmp_path)
        alice = await open_session(server, ALICE, PASSWORD)
        bob = await open_session(server, BOB, "another")
        found = (await operator.run_ok(*BAN, "--reason", "spam")).json["outcomes"]
        assert [step["status"] for step in found[0]["steps"]] == ["done"] * 5
        await asyncio.wait_for(alice.ended.wait(), 20)
        assert not bob.ended.is_set()
        await bob.close()
        assert not await login(server, ALICE, PASSWORD)
        with RawStream(server.c2s_port, "example.org") as stream:
            assert stream.answer("X-OAUTH2", b"\0alice\0" + token) == "failure"
        assert states((await operator.run_ok(*BAN)).json["outcomes"]) == ["done"]  # once more
        (listed,) = (await operator.run_ok("user", "bans", "--json")).json["bans"]
        assert (listed["user"], listed["reason"]) == (ALICE, "spam")
        await operator.run_ok("user", "unban", ALICE)
        assert await login(server, ALICE, PASSWORD)
        assert (await operator.run_ok("user", "bans", "--json")).json == {"bans": []}

    (port,) = free_ports(1)
    server = Ejabberd(program, options=oauth.OPTIONS)
    server.config["listen"].append(oauth.oauth_listener(port))
    with server:
        jid = ALICE
        scopes = ["sasl_auth"]
        token = server.api("oauth_issue_token", jid=jid, ttl=3600, scopes=scopes)["token"]
        asyncio.run(life(server, token.encode()))


@pytest.mark.skipif(not CAN_BAN, reason="this release cannot ban")
def test_a_ban_holds_while_the_service_is_down(
    service: TokenService, program: str, tmp_path: Path
) -> None:
    with Ejabberd(program) as server:
        operator = Operator(server, tmp_path)
        revoke = ("user", "revoke", ALICE, "--ban", "--no-verify", "--yes", "--json")
        result = asyncio.run(operator.run_ok(*revoke))
        steps = {each["step"]: each["status"] for each in result.json["outcomes"][0]["steps"]}
        # Also without a session: a kick alone deletes no tokens then.
        assert (steps["ban"], steps["FAST tokens"]) == ("done", "done")
        program_line(tmp_path, "http://127.0.0.1:1/")
        log = tmp_path / "log"
        before = log.read_text().count('"operation": "auth"')
        assert not logs_in(server, ALICE, PASSWORD)
        assert log.read_text().count('"operation": "auth"') == before
        program_line(tmp_path, service.url)
        asyncio.run(operator.run_ok("user", "unban", ALICE))
        assert logs_in(server, ALICE, PASSWORD)
        assert log.read_text().count('"operation": "auth"') == before + 1


@pytest.mark.skipif(not CAN_BAN, reason="this release cannot ban")
def test_a_ban_needs_mod_private_and_a_user_who_exists(
    service: TokenService, program: str, tmp_path: Path
) -> None:
    modules = {name: options for name, options in MODULES.items() if name != "mod_private"}
    for given, jid, why in ((MODULES, BOB, "does not know"), (modules, ALICE, "mod_private")):
        with Ejabberd(program, modules=given) as server:
            result = asyncio.run(
                Operator(server, tmp_path).run("user", "ban", jid, "--yes", "--json")
            )
            assert (result.code, why in result.out) == (1, True), result
