"""Rooms are created, changed and destroyed; the occupants receive the stanzas for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.admin import (
    SERVICE,
    Operator,
    StanzaLog,
    child,
    codes,
    is_message,
    is_presence,
    release,
)
from tests.e2e.ejabberd import Ejabberd
from tests.e2e.xmpp import sessions
from tests.token_service import TokenService

pytestmark = pytest.mark.e2e

ROOM = f"tea@{SERVICE}"
INVITATION = "{jabber:x:conference}x"
DESTROYED = "{http://jabber.org/protocol/muc#user}destroy"
NAMES = ("alice", "bob", "carl")


@asynccontextmanager
async def three(server: Ejabberd, service: TokenService) -> AsyncIterator[list[StanzaLog]]:
    for name in NAMES[1:]:
        service.add(f"{name}@example.org", "wonder:land")
    accounts = [(f"{name}@example.org/desk", "wonder:land") for name in NAMES]
    async with sessions(server, accounts) as opened:
        yield [StanzaLog(each) for each in opened]


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of this test's pending bans."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def test_the_whole_life_of_a_room(
    service: TokenService, program: str, tmp_path: Path, state: Path
) -> None:
    async def life(server: Ejabberd) -> None:
        operator = Operator(server, tmp_path)
        async with three(server, service) as (alice, bob, carl):
            await operator.run_ok("room", "create", ROOM, "--option", "title=Tea at five")
            everybody = (alice, bob, carl)

            jids = [f"{name}@example.org" for name in NAMES]
            await operator.run_ok("room", "invite", ROOM, *jids, "--reason", "it is five")
            for log in everybody:
                invited = await log.wait_for(lambda stanza: child(stanza, INVITATION) is not None)
                assert invited.get("from") == ROOM
                invitation = child(invited, INVITATION)
                assert invitation is not None
                assert (invitation.get("jid"), invitation.get("reason")) == (ROOM, "it is five")
                assert not invitation.get("password")

            for name, log in zip(NAMES, everybody, strict=True):
                assert 110 in await log.join(ROOM, name)
            shown = (await operator.run_ok("room", "show", ROOM, "--json")).json
            assert sorted(each["nick"] for each in shown["occupants"]) == sorted(NAMES)
            if release(server) != (24, 12):
                assert shown["options"]["title"] == "Tea at five"
            listed = (await operator.run_ok("room", "list", SERVICE, "--json")).json
            assert listed == [{"room": ROOM, "occupants": 3}]

            await removed_and_back(operator, alice, bob, carl)
            await kicked(operator, alice, bob, carl)
            await unregistered(operator, server, alice, bob)
            await destroyed(operator, alice, bob)
        assert not list(state.rglob("*.json"))

    with Ejabberd(program) as server:
        asyncio.run(life(server))


async def removed_and_back(
    operator: Operator, alice: StanzaLog, bob: StanzaLog, carl: StanzaLog
) -> None:
    """The user is notified and removed, the session stays, no ban is left, and the user can join
    again."""
    message = "your tea is cold"
    result = await operator.run_ok(
        *("room", "remove", ROOM, "bob@example.org"),
        *("--yes", "--notify", message, "--grace", "0.2s"),
    )
    assert "no ban is left" in result.out
    await bob.wait_for(lambda stanza: is_message(stanza, ROOM, message))
    for log in (bob, alice, carl):
        gone = await log.wait_for(lambda stanza: is_presence(stanza, f"{ROOM}/bob", "unavailable"))
        assert 301 in codes(gone)
    assert not any(is_message(stanza, ROOM, message) for stanza in alice.stanzas + carl.stanzas)

    bob.session.send("alice@example.org/desk", "still here")
    await alice.wait_for(lambda stanza: is_message(stanza, "bob@example.org/desk", "still here"))
    assert not bob.session.ended.is_set()
    shown = (await operator.run_ok("room", "show", ROOM, "--json")).json
    assert shown["affiliations"] == []
    assert sorted(each["nick"] for each in shown["occupants"]) == ["alice", "carl"]

    await operator.run_ok("room", "invite", ROOM, "bob@example.org")
    await bob.wait_for(lambda stanza: child(stanza, INVITATION) is not None)
    assert 110 in await bob.join(ROOM, "bob")
    for log in (alice, carl):
        await log.wait_for(lambda stanza: is_presence(stanza, f"{ROOM}/bob"))


async def kicked(operator: Operator, alice: StanzaLog, bob: StanzaLog, carl: StanzaLog) -> None:
    """The user is notified, the session ends, and the room receives the presence."""
    message = "your access has ended"
    result = await operator.run_ok(
        *("user", "kick", "carl@example.org", "--yes", "--json"),
        *("--notify", message, "--grace", "0.2s"),
    )
    assert result.json["outcomes"][0]["ended"] == 1
    await carl.wait_for(lambda stanza: is_message(stanza, "example.org", message))
    await asyncio.wait_for(carl.session.ended.wait(), 20)
    for log in (alice, bob):
        await log.wait_for(lambda stanza: is_presence(stanza, f"{ROOM}/carl", "unavailable"))
        assert not log.session.ended.is_set()


async def unregistered(
    operator: Operator, server: Ejabberd, alice: StanzaLog, bob: StanzaLog
) -> None:
    """Nobody else can use a registered nick until it is unregistered."""
    is_old = release(server) < (24, 12)
    command = "muc_register_nick" if is_old else "muc_register_nick/v0"
    server.api(command, nick="queen", jid="alice@example.org", service=SERVICE)
    assert await bob.join(ROOM, "queen") == []
    result = await operator.run_ok("room", "unregister-nick", "alice@example.org", SERVICE, "--yes")
    assert "no longer registered" in result.out
    assert 110 in await bob.join(ROOM, "queen")
    assert not alice.session.ended.is_set()


async def destroyed(operator: Operator, alice: StanzaLog, bob: StanzaLog) -> None:
    message = "this room closes"
    await operator.run_ok("room", "destroy", ROOM, "--yes", "--notify", message, "--grace", "0.2s")
    for log, nick in ((alice, "alice"), (bob, "queen")):
        await log.wait_for(lambda stanza: is_message(stanza, ROOM, message))
        own = await log.wait_for(partial(is_presence, sender=f"{ROOM}/{nick}", kind="unavailable"))
        assert child(own, DESTROYED) is not None
        assert not log.session.ended.is_set()
    assert (await operator.run_ok("room", "list", "--json")).json == []


def test_the_configured_moderator_kicks_a_user(
    service: TokenService, program: str, tmp_path: Path, state: Path
) -> None:
    async def life(server: Ejabberd) -> None:
        operator = Operator(server, tmp_path, 'room_admin = "alice@example.org"')
        async with three(server, service) as (alice, bob, carl):
            await operator.run_ok("room", "create", ROOM)
            _affiliate(server, "alice", "owner")
            for name, log in zip(NAMES, (alice, bob, carl), strict=True):
                await log.join(ROOM, name)
            result = await operator.run_ok(
                *("room", "remove", ROOM, "bob@example.org", "--yes", "--json"),
                *("--reason", "tea & <cake>"),
            )
            assert result.json["outcomes"][0]["how"] == "kicked"
            for log in (bob, carl):
                gone = await log.wait_for(
                    lambda stanza: is_presence(stanza, f"{ROOM}/bob", "unavailable")
                )
                assert 307 in codes(gone)
                assert 301 not in codes(gone)
                reason = child(gone, "{http://jabber.org/protocol/muc#user}reason")
                assert reason is not None
                assert reason.text == "tea & <cake>"
            assert 110 in await bob.join(ROOM, "bob")

            # ejabberd does not take the role of a moderator, so the user is banned briefly.
            _affiliate(server, "carl", "admin")
            result = await operator.run_ok(
                "room", "remove", ROOM, "carl@example.org", "--yes", "--json"
            )
            assert result.json["outcomes"][0]["how"] == "banned and let in again"
            assert result.json["outcomes"][0]["affiliation"] == "admin"
            shown = (await operator.run_ok("room", "show", ROOM, "--json")).json
            kept = {each["jid"]: each["affiliation"] for each in shown["affiliations"]}
            assert kept == {"alice@example.org": "owner", "carl@example.org": "admin"}
            assert 110 in await carl.join(ROOM, "carl")

    with Ejabberd(program) as server:
        asyncio.run(life(server))


def test_membership_survives_a_removal_and_ban_keeps_a_user_out(
    service: TokenService, program: str, tmp_path: Path, state: Path
) -> None:
    async def life(server: Ejabberd) -> None:
        operator = Operator(server, tmp_path)
        async with three(server, service) as (_, bob, carl):
            closed = ("--option", "members_only=true", "--option", "persistent=true")
            await operator.run_ok("room", "create", ROOM, *closed)
            if release(server) != (24, 12):  # 24.12 does not return that the room is closed
                result = await operator.run("room", "invite", ROOM, "bob@example.org")
                assert (result.code, "--member" in result.out) == (1, True)
            assert await bob.join(ROOM, "bob") == []
            both = ("bob@example.org", "carl@example.org")
            await operator.run_ok("room", "invite", ROOM, *both, "--member")
            await bob.join(ROOM, "bob")
            await carl.join(ROOM, "carl")

            await operator.run_ok("room", "remove", ROOM, "bob@example.org", "--yes")
            assert 110 in await bob.join(ROOM, "bob")
            result = await operator.run_ok(
                "room", "remove", ROOM, "bob@example.org", "--yes", "--ban"
            )
            if release(server) >= (24, 12):
                assert await bob.join(ROOM, "bob") == []
            else:
                assert "may still admit" in result.out
            refused = await operator.run("room", "invite", ROOM, *both)
            assert (refused.code, "banned" in refused.err) == (1, True)
            assert not any(child(stanza, INVITATION) is not None for stanza in carl.stanzas)
            await operator.run_ok("room", "remove", ROOM, "bob@example.org", "--unban")
            await operator.run_ok("room", "invite", ROOM, "bob@example.org", "--member")
            assert 110 in await bob.join(ROOM, "bob")

    with Ejabberd(program) as server:
        asyncio.run(life(server))


def test_a_banned_user_who_was_never_a_member_stays_out(
    service: TokenService, program: str, tmp_path: Path, state: Path
) -> None:
    async def life(server: Ejabberd) -> None:
        operator = Operator(server, tmp_path)
        async with three(server, service) as (alice, bob, _):
            await operator.run_ok("room", "create", ROOM)
            await alice.join(ROOM, "alice")
            await bob.join(ROOM, "bob")
            await operator.run_ok("room", "remove", ROOM, "bob@example.org", "--yes", "--ban")
            assert await bob.join(ROOM, "bob") == []
            assert not bob.session.ended.is_set()

    with Ejabberd(program) as server:
        asyncio.run(life(server))


def _affiliate(server: Ejabberd, user: str, affiliation: str) -> Any:
    if release(server) < (24, 12):
        jid = f"{user}@example.org"
        return server.api(
            "set_room_affiliation", name="tea", service=SERVICE, jid=jid, affiliation=affiliation
        )
    return server.api(
        "set_room_affiliation/v3",
        room="tea",
        service=SERVICE,
        user=user,
        host="example.org",
        affiliation=affiliation,
    )
