"""The ``jsxc`` kind: Nextcloud's JSXC app, by its ``externalApi.php``.

Source: the protocol description of xmpp-cloud-auth. A form, signed with the secret that the app
shows; and time-limited tokens, which are checked here.
"""

import hashlib
import hmac
import time
from base64 import b64decode
from pathlib import Path
from urllib.parse import urlencode

from pydantic import SecretStr

from extauth_http.backends.base import Backend
from extauth_http.backends.token import claims_of
from extauth_http.config.backend import BackendSettings
from extauth_http.config.endpoint import Url
from extauth_http.config.section import WithSecrets
from extauth_http.http.client import HttpClient
from extauth_http.protocol.command import Command
from extauth_http.protocol.verdict import Answer, UndecidedError, Verdict

TOKEN_BYTES = 23
_READABLE = str.maketrans("-$%", "OIl")


class JsxcSettings(BackendSettings, WithSecrets):
    """``url`` is that of ``externalApi.php``. A time-limited token is good until its time is up,
    whatever becomes of its user: with ``tokens = false`` none is accepted."""

    secrets = ("secret",)

    url: Url
    secret: SecretStr
    secret_file: Path | None = None
    tokens: bool = True


class Jsxc(Backend):
    Settings = JsxcSettings

    def __init__(self, settings: JsxcSettings) -> None:
        self._url = settings.url
        self._secret = settings.secret.get_secret_value().encode()
        self._takes_tokens = settings.tokens

    def auth(self, command: Command, http: HttpClient) -> Verdict | Answer:
        now = time.time()
        if self._takes_tokens and is_token(
            command.password, command.user, command.host, self._secret, now
        ):
            return Answer(Verdict.ALLOW, "allowed", "by a time-limited token")
        said = self._ask(http, "auth", command, password=command.password)
        match said.get("result"):
            case "success":
                return Answer(Verdict.ALLOW, "allowed")
            case "noauth":
                return Answer(Verdict.DENY, "denied")
        raise UndecidedError("not_an_answer", "result is neither success nor noauth")

    def isuser(self, command: Command, http: HttpClient) -> Verdict | Answer:
        said = self._ask(http, "isuser", command)
        data = said.get("data")
        known = data.get("isUser") if isinstance(data, dict) else None
        if said.get("result") != "success" or not isinstance(known, bool):
            raise UndecidedError("not_an_answer", "isUser is neither true nor false")
        return Verdict.ALLOW if known else Verdict.DENY

    def _ask(
        self, http: HttpClient, operation: str, command: Command, **more: str
    ) -> dict[str, object]:
        fields = {"operation": operation, "username": command.user, "domain": command.host, **more}
        signature = hmac.new(self._secret, urlencode(fields).encode(), hashlib.sha1).hexdigest()
        headers = [("X-JSXC-Signature", f"sha1={signature}")]
        answer = http.post(self._url, data=fields, headers=headers)
        if answer.status_code != 200:
            raise answer.undecided()
        return claims_of(answer.json())


def is_token(password: str, user: str, host: str, secret: bytes, now: float) -> bool:
    """Whether this is a time-limited token of this user.

    23 bytes in base64, its letters O, I and l written ``-``, ``$`` and ``%``: the version 0, 16
    bytes of HMAC-SHA256, 2 bytes that name the secret, and when it ends, in seconds since 1970.
    """
    try:
        token = b64decode(password.translate(_READABLE) + "=", validate=True)
    except ValueError:
        return False
    if len(token) != TOKEN_BYTES or token[0] != 0:
        return False
    mac, header = token[1:17], token[17:]
    challenge = token[:1] + header + f"{user}@{host}".encode()
    expected = hmac.new(secret, challenge, hashlib.sha256).digest()[:16]
    return hmac.compare_digest(mac, expected) and int.from_bytes(header[2:]) > now
