"""The ``jsxc`` kind: ``externalApi.php`` of Nextcloud's JSXC app.

Source: the protocol description of xmpp-cloud-auth. Requests are forms, signed with a secret that
the app shows. The app's time-limited tokens are checked here, without a request.
"""

import hashlib
import hmac
import time
from base64 import b64decode
from pathlib import Path
from typing import Self
from urllib.parse import urlencode

from pydantic import SecretStr, model_validator

from extauth_http.backends.base import Backend
from extauth_http.config.backend import BackendSettings
from extauth_http.config.endpoint import Url
from extauth_http.config.section import WithSecrets
from extauth_http.config.service_auth import header_names
from extauth_http.http.client import HttpClient
from extauth_http.protocol.command import Command
from extauth_http.protocol.verdict import Answer, UndecidedError, Verdict

TOKEN_BYTES = 23
_FROM_READABLE = str.maketrans("-$%", "OIl")


SIGNATURE_HEADER = "X-JSXC-Signature"


class JsxcSettings(BackendSettings, WithSecrets):
    """``url`` is that of ``externalApi.php``. A time-limited token is valid until its time is up,
    also if its user is deleted before. ``tokens = false`` refuses them all."""

    secrets = ("secret",)

    url: Url
    secret: SecretStr
    secret_file: Path | None = None
    tokens: bool = True

    @model_validator(mode="after")
    def _check_service_auth(self) -> Self:
        names = header_names(self.service_auth)
        if any(name.lower() == SIGNATURE_HEADER.lower() for name in names):
            raise ValueError(f"service_auth: {SIGNATURE_HEADER} holds the signature of the request")
        return self


class Jsxc(Backend):
    Settings = JsxcSettings

    def __init__(self, settings: JsxcSettings) -> None:
        self._url = settings.url
        self._secret = settings.secret.get_secret_value().encode()
        self._accepts_tokens = settings.tokens

    def auth(self, command: Command, http: HttpClient) -> Verdict | Answer:
        if self._accepts_tokens and is_valid_token(
            command.password, command.user, command.host, self._secret, time.time()
        ):
            return Answer(Verdict.ALLOW, "allowed", "by a time-limited token")
        found = self._post(http, "auth", command, password=command.password)
        match found.get("result"):
            case "success":
                return Answer(Verdict.ALLOW, "allowed")
            case "noauth":
                return Answer(Verdict.DENY, "denied")
        raise UndecidedError("not_an_answer", "result is neither success nor noauth")

    def isuser(self, command: Command, http: HttpClient) -> Verdict | Answer:
        found = self._post(http, "isuser", command)
        data = found.get("data")
        exists = data.get("isUser") if isinstance(data, dict) else None
        if found.get("result") != "success" or not isinstance(exists, bool):
            raise UndecidedError("not_an_answer", "isUser is neither true nor false")
        return Verdict.ALLOW if exists else Verdict.DENY

    def _post(
        self, http: HttpClient, operation: str, command: Command, **more: str
    ) -> dict[str, object]:
        fields = {"operation": operation, "username": command.user, "domain": command.host, **more}
        signature = hmac.new(self._secret, urlencode(fields).encode(), hashlib.sha1).hexdigest()
        headers = {SIGNATURE_HEADER: f"sha1={signature}"}
        response = http.post(self._url, data=fields, headers=headers)
        if response.status_code != 200:
            raise response.undecided()
        return response.json_object()


def is_valid_token(password: str, user: str, host: str, secret: bytes, now: float) -> bool:
    """Whether the password is a time-limited token of this user; ``now`` is in seconds since 1970.

    A token has 23 bytes: the version 0, 16 bytes of HMAC-SHA256, 2 bytes that identify the secret,
    and 4 bytes with the time at which it ends, in seconds since 1970. It is written in base64, with
    ``-``, ``$`` and ``%`` for the letters O, I and l.
    """
    try:
        token = b64decode(password.translate(_FROM_READABLE) + "=", validate=True)
    except ValueError:
        return False
    if len(token) != TOKEN_BYTES or token[0] != 0:
        return False
    mac, header = token[1:17], token[17:]
    challenge = token[:1] + header + f"{user}@{host}".encode()
    expected = hmac.new(secret, challenge, hashlib.sha256).digest()[:16]
    return hmac.compare_digest(mac, expected) and int.from_bytes(header[2:]) > now
