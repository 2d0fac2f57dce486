"""What a client of Prosody receives."""

import asyncio
import base64
import re
from xml.etree import ElementTree

from tests.e2e.prosody.server import Prosody
from tests.e2e.raw_stream import RawStream
from tests.e2e.xmpp import LoginRefusedError, open_session

TEMPORARY = "temporary-auth-failure"
WRONG = "not-authorized"


def outcome(server: Prosody, jid: str, password: str) -> str:
    """``in``, or the SASL condition of the refusal."""

    async def run() -> str:
        try:
            await (await open_session(server, jid, password)).close()
        except LoginRefusedError as error:
            return str(error)
        return "in"

    return asyncio.run(run())


def condition(stanza: ElementTree.Element) -> str:
    """The condition of a stanza error (RFC 6120, 8.3.2)."""
    error = next(each for each in stanza if each.tag.endswith("error"))
    return error[0].tag.rpartition("}")[2]


def authenticate(stream: RawStream, user: str, password: str) -> str:
    """The same on a stream that stays open after a refusal (RFC 6120, 6.4.5)."""
    initial = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
    reply = stream.ask(
        "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + initial + "</auth>",
        *("<success", "</failure>"),
    )
    found = re.search(r"<failure[^>]*><([a-z-]+)", reply)
    return found[1] if found else "in"


def register(server: Prosody, user: str, password: str) -> str:
    """Registers in-band (XEP-0077, 3.1.1): ``result``, or the condition of the error."""
    with RawStream(server.c2s_port, "example.org") as stream:
        reply = stream.ask(
            "<iq type='set' id='r' to='example.org'><query xmlns='jabber:iq:register'>"
            f"<username>{user}</username><password>{password}</password></query></iq>",
            *("type='result'", "</error>"),
        )
    found = re.search(r"<error[^>]*><([a-z-]+)", reply)
    return found[1] if found else "result"
