"""An XMPP stream without a client library: the features of a server, and unusual requests."""

import base64
import re
import socket
import ssl
from types import TracebackType
from typing import Self


class RawStream:
    """One stream to a virtual host.

    With ``context``, the stream uses TLS from the first byte. ``sender`` is a JID: a server offers
    SASL2 (XEP-0388) only to a client that sends its JID.
    """

    def __init__(
        self, port: int, host: str, *, context: ssl.SSLContext | None = None, sender: str = ""
    ) -> None:
        self._connection = socket.create_connection(("127.0.0.1", port), 10)
        if context:
            self._connection = context.wrap_socket(self._connection, server_hostname=host)
        opening = f"<stream:stream to='{host}' version='1.0' xmlns='jabber:client' "
        opening += "xmlns:stream='http://etherx.jabber.org/streams'"
        self._opening = opening + (f" from='{sender}'>" if sender else ">")
        self._requests = 0
        try:
            self.features = self.ask(self._opening, "</stream:features>")
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._connection.close()

    @property
    def mechanisms(self) -> set[str]:
        """The offered mechanisms of RFC 6120. SASL2 has a list of its own."""
        offered = re.search(r"<mechanisms.*?</mechanisms>", self.features)
        return set(re.findall(r"<mechanism>(.*?)</mechanism>", offered[0])) if offered else set()

    def send(self, text: str) -> None:
        self._connection.sendall(text.encode())

    def ask(self, text: str, *ends: str) -> str:
        """Sends a text and reads until one of ``ends`` arrives. Raises EOFError if none does."""
        self.send(text)
        found = ""
        while not any(end in found for end in ends):
            read = self._connection.recv(4096)
            if not read:
                raise EOFError(found)
            found += read.decode()
        return found

    def answer(self, mechanism: str, response: bytes) -> str:
        """The server's reply to the first response of a mechanism: ``challenge``, ``success`` or
        ``failure`` (RFC 6120, 6.4)."""
        xmlns = "urn:ietf:params:xml:ns:xmpp-sasl"
        payload = base64.b64encode(response).decode() or "="
        reply = self.ask(
            f"<auth xmlns='{xmlns}' mechanism='{mechanism}'>{payload}</auth>",
            *("<success", "</failure>", "</challenge>"),
        )
        kind = re.search(r"<(challenge|success|failure)", reply)
        assert kind, reply
        return kind[1]

    def bind(self) -> str:
        """Binds a resource after a login (RFC 6120, 7). Returns the full JID."""
        self.ask(self._opening, "</stream:features>")
        reply = self.iq("set", "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>")
        found = re.search(r"<jid>(.*?)</jid>", reply)
        assert found, reply
        return found[1]

    def iq(self, kind: str, payload: str, to: str = "") -> str:
        """The reply to a request (RFC 6120, 8.2.3)."""
        self._requests += 1
        identifier = f"request-{self._requests}"
        address = f" to='{to}'" if to else ""
        self.send(f"<iq type='{kind}' id='{identifier}'{address}>{payload}</iq>")
        reply = re.compile(rf"<iq\b[^>]*\bid='{identifier}'[^>]*?(/>|>.*?</iq>)", re.DOTALL)
        found = ""
        while not (match := reply.search(found)):
            read = self._connection.recv(4096)
            if not read:
                raise EOFError(found)
            found += read.decode()
        return match[0]


def logged_in(port: int, host: str, user: str, password: str) -> RawStream:
    """A stream of a user with a bound resource."""
    stream = RawStream(port, host)
    assert stream.answer("PLAIN", f"\0{user}\0{password}".encode()) == "success"
    stream.bind()
    return stream


def mechanisms(port: int, host: str) -> set[str]:
    with RawStream(port, host) as stream:
        return stream.mechanisms
