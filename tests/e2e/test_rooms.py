"""Rooms as the operator makes and ends them, seen from the side of those who are in them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.admin import (
    ROOM_MODULES,
    SERVICE,
    Eyes,
    Operator,
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
async def three(server: Ejabberd, service: TokenService) -> AsyncIterator[list[Eyes]]:
    for name in NAMES[1:]:
        service.add(f"{name}@example.org", "wonder:land")
    accounts = [(f"{name}@example.org/desk", "wonder:land") for name in NAMES]
    async with sessions(server, accounts) as opened:
        yield [Eyes(each) for each in opened]


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test's removals are noted down."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def test_the_whole_life_of_a_room(
    service: TokenService, program: str, tmp_path: Path, state: Path
) -> None:
    async def life(server: Ejabberd) -> None:
        operator = Operator(server, tmp_path)
        async with three(server, service) as (alice, bob, carl):
            await operator.does("room", "create", ROOM, "--option", "title=Tea at five")
            everybody = (alice, bob, carl)

            jids = [f"{name}@example.org" for name in NAMES]
            await operator.does("room", "invite", ROOM, *jids, "--reason", "it is five")
            for eyes in everybody:
                invited = await eyes.sees(lambda stanza: child(stanza, INVITATION) is not None)
                assert invited.get("from") == ROOM
                invitation = child(invited, INVITATION)
                assert invitation is not None
                assert (invitation.get("jid"), invitation.get("reason")) == (ROOM, "it is five")
                assert not invitation.get("password")

            for name, eyes in zip(NAMES, everybody, strict=True):
                assert 110 in await eyes.joins(ROOM, name)
            shown = (await operator.does("room", "show", ROOM, "--json")).json
            assert sorted(each["nick"] for each in shown["occupants"]) == sorted(NAMES)
            if release(server) != (24, 12):
                assert shown["options"]["title"] == "Tea at five"
            listed = (await operator.does("room", "list", SERVICE, "--json")).json
            assert listed == [{"room": ROOM, "occupants": 3}]

            await removed_and_back(operator, alice, bob, carl)
            await kicked(operator, alice, bob, carl)
            await unregistered(operator, server, alice, bob)
            await destroyed(operator, alice, bob)
        assert not list(state.rglob("*.json"))

    with Ejabberd(program, modules=ROOM_MODULES) as server:
        asyncio.run(life(server))


async def removed_and_back(operator: Operator, alice: Eyes, bob: Eyes, carl: Eyes) -> None:
    """Out of the room, told before; the session is alive, no ban is left, back when invited."""
    told = "your tea is cold"
    ran = await operator.does(
        *("room", "remove", ROOM, "bob@example.org"),
        *("--yes", "--notify", told, "--grace", "0.2s"),
    )
    assert "no ban left behind" in ran.out
    await bob.sees(lambda stanza: is_message(stanza, ROOM, told))
    for eyes in (bob, alice, carl):
        gone = await eyes.sees(lambda stanza: is_presence(stanza, f"{ROOM}/bob", "unavailable"))
        assert 301 in codes(gone)
    assert not any(is_message(stanza, ROOM, told) for stanza in alice.stanzas + carl.stanzas)

    bob.session.send("alice@example.org/desk", "still here")
    await alice.sees(lambda stanza: is_message(stanza, "bob@example.org/desk", "still here"))
    assert not bob.session.ended.is_set()
    shown = (await operator.does("room", "show", ROOM, "--json")).json
    assert shown["affiliations"] == []
    assert sorted(each["nick"] for each in shown["occupants"]) == ["alice", "carl"]

    await operator.does("room", "invite", ROOM, "bob@example.org")
    await bob.sees(lambda stanza: child(stanza, INVITATION) is not None)
    assert 110 in await bob.joins(ROOM, "bob")
    for eyes in (alice, carl):
        await eyes.sees(lambda stanza: is_presence(stanza, f"{ROOM}/bob"))


async def kicked(operator: Operator, alice: Eyes, bob: Eyes, carl: Eyes) -> None:
    """Told, then the whole session is gone, and the room sees that."""
    told = "your access has ended"
    ran = await operator.does(
        *("user", "kick", "carl@example.org", "--yes", "--json"),
        *("--notify", told, "--grace", "0.2s"),
    )
    assert ran.json["outcomes"][0]["ended"] == 1
    await carl.sees(lambda stanza: is_message(stanza, "example.org", told))
    await asyncio.wait_for(carl.session.ended.wait(), 20)
    for eyes in (alice, bob):
        await eyes.sees(lambda stanza: is_presence(stanza, f"{ROOM}/carl", "unavailable"))
        assert not eyes.session.ended.is_set()


async def unregistered(operator: Operator, server: Ejabberd, alice: Eyes, bob: Eyes) -> None:
    """A registered nick is its owner's alone, until it is taken off the register."""
    is_old = release(server) < (24, 12)
    command = "muc_register_nick" if is_old else "muc_register_nick/v0"
    server.api(command, nick="queen", jid="alice@example.org", service=SERVICE)
    assert await bob.joins(ROOM, "queen") == []
    ran = await operator.does("room", "unregister-nick", "alice@example.org", SERVICE, "--yes")
    assert "no longer registered" in ran.out
    assert 110 in await bob.joins(ROOM, "queen")
    assert not alice.session.ended.is_set()


async def destroyed(operator: Operator, alice: Eyes, bob: Eyes) -> None:
    told = "this room closes"
    await operator.does("room", "destroy", ROOM, "--yes", "--notify", told, "--grace", "0.2s")
    for eyes, nick in ((alice, "alice"), (bob, "queen")):
        await eyes.sees(lambda stanza: is_message(stanza, ROOM, told))
        own = await eyes.sees(partial(is_presence, sender=f"{ROOM}/{nick}", kind="unavailable"))
        assert child(own, DESTROYED) is not None
        assert not eyes.session.ended.is_set()
    assert (await operator.does("room", "list", "--json")).json == []


def test_where_the_configured_moderator_is_in_the_room_the_removed_one_is_kicked(
    service: TokenService, program: str, tmp_path: Path, state: Path
) -> None:
    async def life(server: Ejabberd) -> None:
        operator = Operator(server, tmp_path, 'room_admin = "alice@example.org"')
        async with three(server, service) as (alice, bob, carl):
            await operator.does("room", "create", ROOM)
            _affiliate(server, "alice", "owner")
            for name, eyes in zip(NAMES, (alice, bob, carl), strict=True):
                await eyes.joins(ROOM, name)
            ran = await operator.does(
                *("room", "remove", ROOM, "bob@example.org", "--yes", "--json"),
                *("--reason", "tea & <cake>"),
            )
            assert ran.json["outcomes"][0]["how"] == "kicked"
            for eyes in (bob, carl):
                gone = await eyes.sees(
                    lambda stanza: is_presence(stanza, f"{ROOM}/bob", "unavailable")
                )
                assert 307 in codes(gone)
                assert 301 not in codes(gone)
                reason = child(gone, "{http://jabber.org/protocol/muc#user}reason")
                assert reason is not None
                assert reason.text == "tea & <cake>"
            assert 110 in await bob.joins(ROOM, "bob")

            # Of a moderator ejabberd does not take the role: the other way is left.
            _affiliate(server, "carl", "admin")
            ran = await operator.does("room", "remove", ROOM, "carl@example.org", "--yes", "--json")
            assert ran.json["outcomes"][0]["how"] == "banned and let in again"
            assert ran.json["outcomes"][0]["affiliation"] == "admin"
            shown = (await operator.does("room", "show", ROOM, "--json")).json
            kept = {each["jid"]: each["affiliation"] for each in shown["affiliations"]}
            assert kept == {"alice@example.org": "owner", "carl@example.org": "admin"}
            assert 110 in await carl.joins(ROOM, "carl")

    with Ejabberd(program, modules=ROOM_MODULES) as server:
        asyncio.run(life(server))


def test_a_ban_is_meant_where_it_is_asked_for_and_membership_outlives_a_removal(
    service: TokenService, program: str, tmp_path: Path, state: Path
) -> None:
    async def life(server: Ejabberd) -> None:
        operator = Operator(server, tmp_path)
        async with three(server, service) as (_, bob, carl):
            closed = ("--option", "members_only=true", "--option", "persistent=true")
            await operator.does("room", "create", ROOM, *closed)
            if release(server) != (24, 12):  # which does not tell that the room is closed
                ran = await operator.run("room", "invite", ROOM, "bob@example.org")
                assert (ran.code, "--member" in ran.out) == (1, True)
            assert await bob.joins(ROOM, "bob") == []
            both = ("bob@example.org", "carl@example.org")
            await operator.does("room", "invite", ROOM, *both, "--member")
            await bob.joins(ROOM, "bob")
            await carl.joins(ROOM, "carl")

            await operator.does("room", "remove", ROOM, "bob@example.org", "--yes")
            assert 110 in await bob.joins(ROOM, "bob")
            ran = await operator.does("room", "remove", ROOM, "bob@example.org", "--yes", "--ban")
            if release(server) >= (24, 12):
                assert await bob.joins(ROOM, "bob") == []
            else:
                assert "may let in all the same" in ran.out
            refused = await operator.run("room", "invite", ROOM, *both)
            assert (refused.code, "banned" in refused.err) == (1, True)
            assert not any(child(stanza, INVITATION) is not None for stanza in carl.stanzas)
            await operator.does("room", "remove", ROOM, "bob@example.org", "--unban")
            await operator.does("room", "invite", ROOM, "bob@example.org", "--member")
            assert 110 in await bob.joins(ROOM, "bob")

    with Ejabberd(program, modules=ROOM_MODULES) as server:
        asyncio.run(life(server))


def test_who_is_banned_and_never_was_a_member_stays_out(
    service: TokenService, program: str, tmp_path: Path, state: Path
) -> None:
    async def life(server: Ejabberd) -> None:
        operator = Operator(server, tmp_path)
        async with three(server, service) as (alice, bob, _):
            await operator.does("room", "create", ROOM)
            await alice.joins(ROOM, "alice")
            await bob.joins(ROOM, "bob")
            await operator.does("room", "remove", ROOM, "bob@example.org", "--yes", "--ban")
            assert await bob.joins(ROOM, "bob") == []
            assert not bob.session.ended.is_set()

    with Ejabberd(program, modules=ROOM_MODULES) as server:
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
