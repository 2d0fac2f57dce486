"""Registration, password changes, removal and existence at a real Prosody."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from slixmpp import JID, ComponentXMPP
from slixmpp.exceptions import IqError

from tests.credentials import NEW_PASSWORD, PASSWORD
from tests.e2e.admin import StanzaLog
from tests.e2e.prosody.accounts import ADA, BOB, Accounts
from tests.e2e.prosody.clients import WRONG, condition, outcome, register
from tests.e2e.prosody.server import COMPONENT, COMPONENT_SECRET, Prosody
from tests.e2e.xmpp import session
from tests.integration.service import Request

pytestmark = pytest.mark.e2e


def test_a_password_change_is_confirmed_only_if_the_service_accepts_it(
    server: Prosody, accounts: Accounts
) -> None:
    async def change(password: str) -> None:
        async with session(server, ADA, PASSWORD) as ada:
            await ada.change_password(password)

    with pytest.raises(IqError):
        asyncio.run(change("too weak"))
    accounts.break_operation("setpass")
    with pytest.raises(IqError):
        asyncio.run(change(NEW_PASSWORD))
    accounts.reset()
    with pytest.raises(IqError):  # longer than a packet
        asyncio.run(change("x" * 65_535))
    assert "setpass" not in accounts.operations
    assert accounts.passwords["ada"] == PASSWORD
    asyncio.run(change(NEW_PASSWORD))
    assert accounts.passwords["ada"] == NEW_PASSWORD
    assert outcome(server, ADA, PASSWORD) == WRONG


def test_a_password_change_ends_the_other_sessions(server: Prosody, accounts: Accounts) -> None:
    async def change() -> None:
        async with session(server, ADA, PASSWORD) as ada, session(server, ADA, PASSWORD) as other:
            await ada.change_password(NEW_PASSWORD)
            await asyncio.wait_for(other.ended.wait(), 30)
            assert not ada.ended.is_set()

    asyncio.run(change())


def test_registration_asks_the_service_and_never_changes_a_password(
    server: Prosody, accounts: Accounts
) -> None:
    assert register(server, "eve", "first") == "result"
    assert accounts.passwords["eve"] == "first"
    assert register(server, "eve", "second") == "conflict"
    accounts.is_broken = True
    assert register(server, "carl", "first") == "feature-not-implemented"
    assert accounts.passwords == {"ada": PASSWORD, "bob": "other", "eve": "first"}
    assert "setpass" not in accounts.operations
    accounts.is_broken = False
    assert outcome(server, "eve@example.org", "first") == "in"


def test_two_registrations_of_one_name_at_once_leave_the_first_password(
    server: Prosody, accounts: Accounts
) -> None:
    """Both find that the user does not exist before either registers."""
    both_asked = threading.Barrier(2)

    def meet(request: Request) -> None:
        if request.target.endswith("isuser"):
            both_asked.wait(30)

    accounts.decided = meet
    with ThreadPoolExecutor(2) as clients:
        passwords = ["first", "second"]
        results = list(clients.map(lambda each: register(server, "eve", each), passwords))
    assert sorted(results) == ["feature-not-implemented", "result"]
    assert accounts.passwords["eve"] == passwords[results.index("result")]
    assert "setpass" not in accounts.operations


def test_a_user_who_removes_the_account_is_removed_at_the_service(
    server: Prosody, accounts: Accounts
) -> None:
    async def remove() -> None:
        async with session(server, ADA, PASSWORD) as ada:
            await ada.remove_account()

    accounts.break_operation("removeuser")
    with pytest.raises(IqError):
        asyncio.run(remove())
    assert "ada" in accounts.passwords
    accounts.reset()
    asyncio.run(remove())
    assert "ada" not in accounts.passwords
    assert outcome(server, ADA, PASSWORD) == WRONG


def test_a_message_to_somebody_offline_asks_whether_the_user_exists(
    server: Prosody, accounts: Accounts
) -> None:
    async def send(to: str) -> str:
        """The condition of the error that comes back to the sender; empty if there is none."""
        async with session(server, ADA, PASSWORD) as ada:
            log = StanzaLog(ada)
            ada.send(to, "hello")
            ada.send(ada.jid, "the end")
            reply = await log.wait_for(lambda stanza: stanza.tag.endswith("message"))
            return condition(reply) if reply.get("type") == "error" else ""

    assert asyncio.run(send(BOB)) == ""
    assert asyncio.run(send("nobody@example.org")) == "service-unavailable"
    accounts.break_operation("isuser")
    assert asyncio.run(send(BOB)) == "service-unavailable"


def test_a_message_from_a_component_cannot_wait_for_an_answer(server: Prosody) -> None:
    """Prosody handles it outside of a coroutine, so existence stays undecided."""

    async def send() -> str:
        component = ComponentXMPP(  # type: ignore[no-untyped-call]
            COMPONENT, COMPONENT_SECRET, "127.0.0.1", server.component_port
        )
        replies: asyncio.Queue[str] = asyncio.Queue()
        component.add_event_handler(
            "message_error", lambda stanza: replies.put_nowait(stanza["error"]["condition"])
        )
        component.add_event_handler(
            "session_start",
            lambda _: component.send_message(
                mto=JID(BOB), mfrom=COMPONENT, mbody="hello", mtype="chat"
            ),
        )
        component.connect()
        try:
            return await asyncio.wait_for(replies.get(), 30)
        finally:
            await component.disconnect()

    assert asyncio.run(send())
    assert "isuser of bob is undecided: not in an async context" in server.log()
    assert outcome(server, ADA, PASSWORD) == "in"


def test_prosodyctl_asks_the_service(server: Prosody, accounts: Accounts) -> None:
    created = server.control("adduser", "eve@example.org", given="new\nnew\n")
    assert (created.returncode, accounts.passwords.get("eve")) == (0, "new"), created
    removed = server.control("deluser", "eve@example.org")
    assert (removed.returncode, accounts.passwords.get("eve")) == (0, None), removed
