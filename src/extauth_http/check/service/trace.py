"""What was sent and what came back, for a person to see: nothing that may be a credential.

Only what is known to be harmless is shown: the user and host that are asked about, truth values
and null, the words of the configuration and of the protocols. Everything else is masked, so a
field that nobody thought of is, too, and so is a password that the service hands back in a form
that nobody thought of.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from pydantic import BaseModel

from extauth_http.config.backend import BackendSettings
from extauth_http.config.endpoint import Endpoint
from extauth_http.http.pool import ConnectionPool, RequestSender
from extauth_http.http.request import Request
from extauth_http.http.response import Response
from extauth_http.protocol.command import Operation
from extauth_http.protocol.verdict import Answer
from extauth_http.terminal.masking import MASK, mask_secrets

MAX_SHOWN = 400  # characters

CONTENT_TYPES = {
    "application/json",
    "application/problem+json",
    "application/x-www-form-urlencoded",
    "application/xml",
    "text/html",
    "text/plain",
}

FIELDS = {
    # RFC 6749, 6750, 7009, 7519, 7662 and OpenID Connect
    *("access_token", "active", "aud", "client_id", "client_secret", "email", "error"),
    *("error_description", "exp", "expires_in", "grant_type", "iat", "id_token", "iss", "jti"),
    *("name", "nbf", "password", "preferred_username", "refresh_token", "scope", "sub"),
    *("token", "token_type", "token_type_hint", "username"),
    # rest, mongooseim, jsxc, and what services say besides
    *("code", "detail", "domain", "exists", "host", "isUser", "message", "ok", "operation"),
    *("pass", "result", "secret", "server", "status", "success", "user"),
}
"""Names of fields that say nothing about anybody."""

PATHS = {
    *(each.value for each in Operation),
    *("check_password", "user_exists", ".well-known", "openid-configuration"),
}

CONFIGURED = {"path", "result", "username_claim"}
"""Settings that name a path or a field."""

QUOTING = {"not_an_answer", "oauth_error", "discovery"}
"""Reasons whose detail may quote the service."""


@dataclass(frozen=True, slots=True)
class TracedRequest:
    """One request and its answer, where there was one, already masked."""

    sent: str
    came_back: str


def why(answer: Answer, password: str) -> str:
    """The reason and detail of an answer, as far as they can be shown after this password."""
    detail = "" if answer.reason in QUOTING else answer.detail
    said = ": ".join(filter(None, (answer.reason, detail)))
    return mask_secrets(said, [password])


class TracingPool:
    """A connection pool that adds each request to ``asked``; ``names`` are texts that may be
    shown."""

    def __init__(
        self, settings: BackendSettings, names: set[str], asked: list[TracedRequest]
    ) -> None:
        self._pool: RequestSender = ConnectionPool.of_backend(settings)
        self._names = names
        self._asked = asked
        self._configured = {
            part for word in _words(settings) for part in (word, *word.split("."), *word.split("/"))
        }

    def send(self, request: Request, due: float, *, may_repeat: bool) -> Response:
        parts = (request.method.decode(), self._url(request.endpoint), self._body(request.body))
        sent = " ".join(filter(None, parts))
        came_back = "no answer"
        try:
            answer = self._pool.send(request, due, may_repeat=may_repeat)
            came_back = self._answer(answer)
        finally:
            self._asked.append(TracedRequest(sent, came_back))
        return answer

    def close(self) -> None:
        self._pool.close()

    def _url(self, endpoint: Endpoint) -> str:
        """A backend of a package of its own may put anything into a path, and a provider's
        document may name any URL."""
        path, mark, _ = endpoint.target.partition(b"?")
        steps = [
            step if unquote(step) in {"", *PATHS, *self._configured, *self._names} else MASK
            for step in path.decode().split("/")
        ]
        origin = f"{endpoint.origin.scheme.decode()}://{endpoint.host_header.decode()}"
        return f"{origin}{'/'.join(steps)}{f'?{MASK}' if mark else ''}"

    def _answer(self, answer: Response) -> str:
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        named = kind if kind in CONTENT_TYPES else "another content type" if kind else "no type"
        body = (
            self._body(answer.content) if kind.endswith("json") else f"{len(answer.content)} bytes"
        )
        return f"{answer.status_code} {named}: {body or 'nothing'}"

    def _body(self, body: bytes) -> str:
        try:
            shown = json.dumps(self._masked(json.loads(body)), ensure_ascii=False)
        except (ValueError, RecursionError):
            pairs = parse_qsl(body.decode("latin-1"), keep_blank_values=True)
            shown = "&".join(f"{self._field(key)}={self._masked(value)}" for key, value in pairs)
        return shown if len(shown) <= MAX_SHOWN else f"{shown[:MAX_SHOWN]}…"

    def _masked(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self._field(key): self._masked(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._masked(inner) for inner in value]
        if value is None or isinstance(value, bool) or value in self._names:
            return value
        return MASK

    def _field(self, name: str) -> str:
        return name if name in FIELDS | self._configured else MASK


def _words(section: BaseModel) -> Iterator[str]:
    """Texts of the configuration that name paths and fields."""
    for name, value in section:
        if isinstance(value, BaseModel):
            yield from _words(value)
        elif isinstance(value, Endpoint):
            yield value.target.partition(b"?")[0].decode()
        elif isinstance(value, dict):
            yield from (word for word in value.values() if isinstance(word, str))
        elif isinstance(value, str) and name in CONFIGURED:
            yield value
