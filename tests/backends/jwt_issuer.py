"""An issuer of signed tokens for the tests of the jwt kind, and logins with its tokens."""

import json
import time
from typing import Any

from extauth_http.program.decider import Decider
from extauth_http.program.outcome import Decision
from extauth_http.protocol.command import Command, Operation
from tests.integration.service import Request, http
from tests.settings import settings_of
from tests.signals.tokens import SigningKey, ec_key, ed_key, jwks, rsa_key

RSA, EC, ED = rsa_key(), ec_key(), ed_key()
STRANGER = rsa_key("rsa-1")
"""A key of somebody else with the name of ours."""

SECRET = "a-shared-secret-of-more-than-32-bytes"


class Issuer:
    """Discovery and keys of an issuer. ``fetched`` counts the requests for keys."""

    def __init__(self) -> None:
        self.keys: tuple[SigningKey, ...] = (RSA, EC, ED)
        self.cache = "Cache-Control: max-age=3600"
        self.is_down = False
        self.fetched = 0
        self.url = ""

    def __call__(self, request: Request, connection: Any) -> None:
        if request.target.endswith("openid-configuration"):
            document = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
            connection.sendall(http(200, json.dumps(document)))
            return
        self.fetched += 1
        connection.sendall(http(503) if self.is_down else http(200, jwks(*self.keys), self.cache))


def decider_of(issuer: Issuer, **keys: Any) -> Decider:
    table = {"kind": "jwt", "issuer": issuer.url, "audience": "xmpp", **keys}
    if "confirm" not in keys:
        table["revocation"] = "at-expiry"
    return Decider(settings_of(backend=table))


def claims(issuer: Issuer, **changes: Any) -> dict[str, Any]:
    now = int(time.time())
    return {
        "iss": issuer.url,
        "aud": "xmpp",
        "sub": "alice",
        "iat": now,
        "exp": now + 300,
        **changes,
    }


def login(decider: Decider, token: str, user: str = "alice", seconds: float = 5.0) -> Decision:
    command = Command(Operation.AUTH, user, "example.org", token)
    return decider.decide(command, time.monotonic() + seconds, "id")


def reason(decider: Decider, token: str, user: str = "alice") -> str:
    answer = login(decider, token, user).answer
    assert (answer.reason == "allowed") == (answer.verdict.value == "allow")
    return answer.reason
