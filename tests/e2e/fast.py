"""A client that logs in with SASL2 (XEP-0388) and tokens (FAST, XEP-0484), byte by byte: slixmpp
knows neither.
"""

import base64
import hashlib
import hmac
import re
import socket
import ssl
import uuid
from pathlib import Path
from typing import Self

from tests.e2e.ejabberd import Ejabberd

AGENT = str(uuid.uuid4())
MECHANISM = "HT-SHA-256-NONE"


class FastClient:
    """One stream, on a listener with direct TLS, as ejabberd offers SASL2 on TLS alone. ``token``
    is what the server gave at the last login by password."""

    def __init__(self, server: Ejabberd, user: str, host: str, authority: Path) -> None:
        self._user = user
        self._host = host
        self.token = ""
        plain = socket.create_connection(("127.0.0.1", server.c2s_port), timeout=20)
        context = ssl.create_default_context(cafile=authority)
        self._socket = context.wrap_socket(plain, server_hostname=host)
        self._send(
            # ejabberd offers SASL2 to those alone who say who they are.
            f"<?xml version='1.0'?><stream:stream to='{host}' from='{user}@{host}' version='1.0' "
            "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
        )
        self.features = self._until("</stream:features>")

    def log_in(self, password: str) -> bool:
        """By password, asking for a token."""
        initial = base64.b64encode(f"\0{self._user}\0{password}".encode()).decode()
        said = self._authenticate(
            "PLAIN", initial, f"<request-token xmlns='urn:xmpp:fast:0' mechanism='{MECHANISM}'/>"
        )
        found = re.search(r"<token [^>]*token='([^']+)'", said)
        self.token = found[1] if found else ""
        return "<success" in said

    def log_in_by(self, token: str) -> bool:
        """By a token, without the password: the program is not asked."""
        proof = hmac.new(token.encode(), b"Initiator", hashlib.sha256).digest()
        initial = base64.b64encode(self._user.encode() + b"\0" + proof).decode()
        return "<success" in self._authenticate(
            MECHANISM, initial, "<fast xmlns='urn:xmpp:fast:0'/>"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def _authenticate(self, mechanism: str, initial: str, more: str) -> str:
        self._send(
            f"<authenticate xmlns='urn:xmpp:sasl:2' mechanism='{mechanism}'>"
            f"<initial-response>{initial}</initial-response>"
            f"<user-agent id='{AGENT}'><software>test</software></user-agent>{more}"
            "<bind xmlns='urn:xmpp:bind:0'><tag>test</tag></bind></authenticate>"
        )
        return self._until("</success>", "</failure>")

    def _send(self, text: str) -> None:
        self._socket.sendall(text.encode())

    def _until(self, *ends: str) -> str:
        seen = ""
        while not any(end in seen for end in ends):
            came = self._socket.recv(65536)
            if not came:
                return seen
            seen += came.decode()
        return seen
