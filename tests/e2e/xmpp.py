"""XMPP clients for a test, with slixmpp, without TLS.

async with session(server, "ada@example.org", "secret") as ada:
    ada.send("bob@example.org", "hello")
    stanza = await ada.receive()
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Protocol

from slixmpp import JID, ClientXMPP, Message

TIMEOUT = 40.0  # seconds: ejabberd waits 30 for its external program

# Not used for TLS. Without it, slixmpp loads all certificate authorities for each client.
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Server(Protocol):
    """An XMPP server that listens for clients on loopback."""

    c2s_port: int


class LoginRefusedError(Exception):
    """The server refused the login; the message is the SASL condition (RFC 6120, 6.5)."""


class Session:
    """A client that is logged in, until `close` is called or the server ends it (`ended`)."""

    def __init__(self, client: ClientXMPP) -> None:
        self.jid = str(client.boundjid)
        self.ended = asyncio.Event()
        self._client = client
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        client.add_event_handler("message", self._messages.put_nowait)
        client.add_event_handler("disconnected", lambda _: self.ended.set())
        client.send_presence()

    def send(self, to: str, body: str) -> None:
        self._client.send_message(mto=JID(to), mbody=body, mtype="chat")

    async def receive(self, timeout: float = TIMEOUT) -> Message:
        """The next message: `["body"]`, `["from"]`, and `["type"]`, which may be error."""
        return await asyncio.wait_for(self._messages.get(), timeout)

    async def change_password(self, new: str) -> None:
        """In-band (XEP-0077, 3.3). Raises slixmpp's IqError if the server refuses it."""
        registration = self._client.plugin["xep_0077"]
        await registration.change_password(new, timeout=TIMEOUT)  # type: ignore[no-untyped-call]

    async def remove_account(self) -> None:
        """In-band (XEP-0077, 3.2). Raises slixmpp's IqError if the server refuses."""
        registration = self._client.plugin["xep_0077"]
        await registration.cancel_registration(timeout=TIMEOUT)  # type: ignore[no-untyped-call]

    async def close(self) -> None:
        if not self.ended.is_set():
            await self._client.disconnect()


async def open_session(
    server: Server,
    jid: str,
    password: str,
    timeout: float = TIMEOUT,
    authority: Path | None = None,
) -> Session:
    """Log in with SASL PLAIN. Raises LoginRefusedError, or TimeoutError after `timeout` seconds.

    With `authority`, a PEM file, only over TLS and with a certificate of this authority.
    """
    plain = authority is None
    client = ClientXMPP(
        jid,
        password,
        plugin_config={"feature_mechanisms": {"unencrypted_plain": plain}},
        sasl_mech="PLAIN",
        ssl_context=_NO_TLS if plain else ssl.create_default_context(cafile=authority),
    )
    client.enable_starttls = not plain
    client.enable_direct_tls = False
    client.enable_plaintext = plain
    client.register_plugin("xep_0077", {"create_account": False})

    outcome: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()

    def settle(refusal: str | None) -> None:
        if not outcome.done():
            outcome.set_result(refusal)

    client.add_event_handler("session_start", lambda _: settle(None))
    client.add_event_handler("failed_auth", lambda stanza: settle(stanza["condition"]))
    client.add_event_handler("failed_all_auth", lambda _: settle("no mechanism offered"))
    client.add_event_handler("disconnected", lambda reason: settle(f"disconnected: {reason}"))
    client.add_event_handler("connection_failed", lambda error: settle(f"no connection: {error}"))
    client.connect("127.0.0.1", server.c2s_port)
    try:
        refusal = await asyncio.wait_for(outcome, timeout)
    except BaseException:
        client.abort()
        raise
    if refusal is not None:
        await client.disconnect()
        raise LoginRefusedError(refusal)
    return Session(client)


@asynccontextmanager
async def session(server: Server, jid: str, password: str) -> AsyncIterator[Session]:
    opened = await open_session(server, jid, password)
    try:
        yield opened
    finally:
        await opened.close()


@asynccontextmanager
async def sessions(
    server: Server, accounts: Iterable[tuple[str, str]]
) -> AsyncIterator[list[Session]]:
    """One session for each (JID, password), all open at the same time, in this order."""
    async with AsyncExitStack() as stack:
        async with asyncio.TaskGroup() as group:
            opening = [
                group.create_task(stack.enter_async_context(session(server, jid, password)))
                for jid, password in accounts
            ]
        yield [task.result() for task in opening]


async def login(
    server: Server,
    jid: str,
    password: str,
    timeout: float = TIMEOUT,
    authority: Path | None = None,
) -> bool:
    """Whether the server accepts the login; the session is closed again."""
    try:
        opened = await open_session(server, jid, password, timeout, authority)
    except LoginRefusedError:
        return False
    await opened.close()
    return True


def logs_in(server: Server, jid: str, password: str, authority: Path | None = None) -> bool:
    """The same as `login`, for a test that is not asynchronous."""
    return asyncio.run(login(server, jid, password, authority=authority))
