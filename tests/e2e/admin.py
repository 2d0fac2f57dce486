"""Runs commands about users and rooms while clients are connected, and records their stanzas."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from extauth_http.ejabberd_api.releases import Release, parse_release
from tests.e2e.conftest import PROGRAM
from tests.e2e.ejabberd import Ejabberd
from tests.e2e.xmpp import TIMEOUT, Session

SERVICE = "conference.example.org"


@dataclass(frozen=True)
class Result:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Operator:
    """Runs ``extauth-http`` with a configuration that names a server's API."""

    def __init__(self, server: Ejabberd, folder: Path, more: str = "", backend: str = "") -> None:
        self.config = folder / "operator.toml"
        self.config.write_text(
            f'{backend}\n[ejabberd]\napi = "http://127.0.0.1:{server.api_port}/api"\n{more}\n'
        )

    async def run(self, *words: str, given: str = "") -> Result:
        process = await self.start(*words)
        out, err = await process.communicate(given.encode())
        assert process.returncode is not None
        return Result(process.returncode, out.decode(), err.decode())

    async def start(self, *words: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            str(PROGRAM),
            *("--config", str(self.config)),
            *words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def run_ok(self, *words: str, given: str = "") -> Result:
        """Like ``run``, and asserts exit code 0."""
        result = await self.run(*words, given=given)
        assert result.code == 0, (words, result)
        return result


class StanzaLog:
    """The stanzas that a client receives, in order."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.stanzas: list[ElementTree.Element] = []
        self._received = asyncio.Event()
        session._client.add_filter("in", self._record)

    def _record(self, stanza: Any) -> Any:
        self.stanzas.append(ElementTree.fromstring(str(stanza)))
        self._received.set()
        return stanza

    async def wait_for(
        self, matches: Callable[[ElementTree.Element], bool], timeout: float = TIMEOUT
    ) -> ElementTree.Element:
        """The first stanza that matches, received or still to come. Removes it and those before."""

        async def search() -> ElementTree.Element:
            while True:
                self._received.clear()
                for index, stanza in enumerate(self.stanzas):
                    if matches(stanza):
                        del self.stanzas[: index + 1]
                        return stanza
                await self._received.wait()

        try:
            return await asyncio.wait_for(search(), timeout)
        except TimeoutError:
            seen = "\n".join(ElementTree.tostring(each).decode() for each in self.stanzas)
            raise AssertionError(
                f"{self.session.jid} received no such stanza, but:\n{seen}"
            ) from None

    async def join(self, room: str, nick: str) -> list[int]:
        """Joins a room. Returns the status codes of the own presence in it, or an empty list if the
        room refuses."""
        client = self.session._client
        client.register_plugin("xep_0045")
        self.stanzas.clear()
        presence = client.make_presence(pto=f"{room}/{nick}")
        presence.append(ElementTree.Element("{http://jabber.org/protocol/muc}x"))
        presence.send()
        own = await self.wait_for(
            lambda stanza: (
                is_presence(stanza, f"{room}/{nick}")
                and (
                    (110 in codes(stanza) and not stanza.get("type"))
                    or stanza.get("type") == "error"
                )
            )
        )
        return codes(own)


def is_presence(stanza: ElementTree.Element, sender: str, kind: str | None = None) -> bool:
    return (
        _name(stanza) == "presence"
        and stanza.get("from") == sender
        and (kind is None or stanza.get("type") == kind)
    )


def is_message(stanza: ElementTree.Element, sender: str, body: str | None = None) -> bool:
    found = next((each.text for each in stanza.iter() if _name(each) == "body"), None)
    is_it = _name(stanza) == "message" and stanza.get("from") == sender
    return is_it and (body is None or found == body)


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def codes(stanza: ElementTree.Element) -> list[int]:
    """The status codes of a presence from a room (XEP-0045 section 15.6)."""
    return [
        int(each.get("code", "0"))
        for each in stanza.iter("{http://jabber.org/protocol/muc#user}status")
    ]


def child(stanza: ElementTree.Element, tag: str) -> ElementTree.Element | None:
    return next(iter(stanza.iter(tag)), None)


def release(server: Ejabberd) -> Release:
    """The release of a running ejabberd."""
    found = parse_release(server.api("status"))
    assert found is not None
    return found
