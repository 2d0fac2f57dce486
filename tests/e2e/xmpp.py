"""A real XMPP client: slixmpp, over plain TCP to a server on this machine."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import slixmpp

SECONDS = 15


class Client(slixmpp.ClientXMPP):
    """One session. ``said`` collects the bodies of messages that come in.

    With ``authority``, a PEM file, it insists on TLS and on a certificate that comes from there;
    without, it does not use TLS.
    """

    def __init__(self, jid: str, password: str, authority: Path | None = None) -> None:
        plain = authority is None
        super().__init__(
            jid, password, plugin_config={"feature_mechanisms": {"unencrypted_plain": plain}}
        )
        self.enable_direct_tls = False
        self.enable_starttls = not plain
        self.enable_plaintext = plain
        self.ca_certs = authority
        self.register_plugin("xep_0077")
        loop = asyncio.get_running_loop()
        self.outcome: asyncio.Future[bool] = loop.create_future()
        self.gone = asyncio.Event()
        self.said: asyncio.Queue[str] = asyncio.Queue()
        self.add_event_handler("session_start", lambda _: self._came_to(True))
        self.add_event_handler("failed_all_auth", lambda _: self._came_to(False))
        self.add_event_handler("disconnected", lambda _: self._left())
        self.add_event_handler("message", lambda message: self.said.put_nowait(message["body"]))

    def _came_to(self, outcome: bool) -> None:
        if not self.outcome.done():
            self.outcome.set_result(outcome)

    def _left(self) -> None:
        self.gone.set()
        self._came_to(False)

    async def log_in(self, port: int) -> bool:
        """Whether the server let it in."""
        self.connect("127.0.0.1", port)
        return await asyncio.wait_for(asyncio.shield(self.outcome), SECONDS)

    async def log_out(self) -> None:
        self.auto_reconnect = False
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(_wait(self.disconnect(wait=0.5)), 3)

    async def change_password(self, password: str) -> None:
        """XEP-0077. Raises slixmpp's IqError where the server says that it did not work."""
        registration: Any = self.plugin["xep_0077"]
        await registration.change_password(password, timeout=SECONDS)


async def _wait(thing: Any) -> None:
    if thing is not None:
        await thing


@contextlib.asynccontextmanager
async def session(port: int, jid: str, password: str) -> AsyncIterator[Client]:
    """A client that is logged in."""
    client = Client(jid, password)
    assert await client.log_in(port), f"{jid} was refused"
    try:
        yield client
    finally:
        await client.log_out()


def logs_in(port: int, jid: str, password: str, authority: Path | None = None) -> bool:
    """Whether a login works; the session, if there is one, is closed again."""

    async def try_it() -> bool:
        client = Client(jid, password, authority)
        let_in = await client.log_in(port)
        await client.log_out()
        return let_in

    return asyncio.run(try_it())
