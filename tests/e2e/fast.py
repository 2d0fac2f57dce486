"""A client that logs in with SASL2 (XEP-0388) and FAST tokens (XEP-0484).

slixmpp does not support them.
"""

import base64
import hashlib
import hmac
import re
import ssl

from tests.e2e.raw_stream import RawStream

AGENT = "d4565fa7-4d72-4749-b3d3-740edbf87770"
MECHANISM = "HT-SHA-256-NONE"


class FastClient(RawStream):
    """One stream over TLS, because ejabberd offers SASL2 only over TLS.

    ``token`` is the token that the server issued at the login, empty if it issued none.
    """

    def __init__(self, port: int, user: str, host: str, context: ssl.SSLContext) -> None:
        super().__init__(port, host, context=context, sender=f"{user}@{host}")
        self._user = user
        self.token = ""

    def log_in(self, password: str) -> bool:
        return self._authenticate("PLAIN", f"\0{self._user}\0{password}".encode(), "")

    def log_in_by(self, token: str) -> bool:
        """Logs in with a token. ejabberd does not ask the program."""
        proof = hmac.digest(token.encode(), b"Initiator", hashlib.sha256)
        fast = "<fast xmlns='urn:xmpp:fast:0'/>"
        return self._authenticate(MECHANISM, self._user.encode() + b"\0" + proof, fast)

    def _authenticate(self, mechanism: str, initial: bytes, more: str) -> bool:
        response = self.ask(
            f"<authenticate xmlns='urn:xmpp:sasl:2' mechanism='{mechanism}'>"
            f"<initial-response>{base64.b64encode(initial).decode()}</initial-response>"
            f"<user-agent id='{AGENT}'/>{more}"
            f"<request-token xmlns='urn:xmpp:fast:0' mechanism='{MECHANISM}'/>"
            "<bind xmlns='urn:xmpp:bind:0'><tag>test</tag></bind></authenticate>",
            "</success>",
            "</failure>",
        )
        found = re.search(r"<token [^>]*token='([^']+)'", response)
        self.token = found[1] if found else ""
        return "<success" in response
