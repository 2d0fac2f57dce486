"""Requests and responses as text for people, without anything that may be a credential.

Only what is known to be public is shown: the user and host of the command, booleans and null, and
the words of the configuration and of the protocols. Everything else is masked. This includes
unknown fields, and a password that the service returns in any encoding.
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

MAX_BODY = 400
"""Characters of a body that are shown."""

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
    # rest, mongooseim, jsxc, and common fields of services
    *("code", "detail", "domain", "exists", "host", "isUser", "message", "ok", "operation"),
    *("pass", "result", "secret", "server", "status", "success", "user"),
}
"""Names of fields that contain nothing about a user."""

PATHS = {
    *(each.value for each in Operation),
    *("check_password", "user_exists", ".well-known", "openid-configuration"),
}

PUBLIC_SETTINGS = {"path", "username_claim"}
"""Settings whose value is a path or the name of a field."""

QUOTING_REASONS = {"not_an_answer", "oauth_error", "discovery"}
"""Reasons whose detail may quote the service."""


@dataclass(frozen=True, slots=True)
class TracedRequest:
    """One request and its response, both masked."""

    request: str
    response: str


def describe_answer(answer: Answer, password: str) -> str:
    """The reason of an answer, and its detail if that cannot contain the password."""
    detail = "" if answer.reason in QUOTING_REASONS else answer.detail
    return mask_secrets(": ".join(filter(None, (answer.reason, detail))), [password])


class TracingPool:
    """A connection pool that adds each request to ``requests``. ``public`` are the texts, besides
    those of the configuration, that may be shown."""

    def __init__(
        self, settings: BackendSettings, public: set[str], requests: list[TracedRequest]
    ) -> None:
        self._pool: RequestSender = ConnectionPool.of_backend(settings)
        self._public = public
        self._requests = requests
        self._configured = {
            part
            for word in _public_words(settings)
            for part in (word, *word.split("."), *word.split("/"))
        }

    def send(self, request: Request, due: float, *, may_repeat: bool) -> Response:
        parts = (request.method.decode(), self._url(request.endpoint), self._body(request.body))
        response_text = "none"
        try:
            response = self._pool.send(request, due, may_repeat=may_repeat)
            response_text = self._response(response)
        finally:
            self._requests.append(TracedRequest(" ".join(filter(None, parts)), response_text))
        return response

    def close(self) -> None:
        self._pool.close()

    def _url(self, endpoint: Endpoint) -> str:
        """A plugin may put anything into a path, and a discovery document may contain any URL."""
        path, mark, _ = endpoint.target.partition(b"?")
        segments = [
            segment if unquote(segment) in {"", *PATHS, *self._configured, *self._public} else MASK
            for segment in path.decode().split("/")
        ]
        origin = f"{endpoint.origin.scheme.decode()}://{endpoint.host_header.decode()}"
        return f"{origin}{'/'.join(segments)}{f'?{MASK}' if mark else ''}"

    def _response(self, response: Response) -> str:
        content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type in CONTENT_TYPES:
            shown_type = content_type
        else:
            shown_type = "another content type" if content_type else "no content type"
        if content_type.endswith("json"):
            body = self._body(response.content)
        else:
            body = f"{len(response.content)} bytes"
        return f"{response.status_code} {shown_type}: {body or 'empty'}"

    def _body(self, body: bytes) -> str:
        try:
            text = json.dumps(self._masked(json.loads(body)), ensure_ascii=False)
        except (ValueError, RecursionError):
            pairs = parse_qsl(body.decode("latin-1"), keep_blank_values=True)
            text = "&".join(f"{self._name(key)}={self._masked(value)}" for key, value in pairs)
        return text if len(text) <= MAX_BODY else f"{text[:MAX_BODY]}…"

    def _masked(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self._name(key): self._masked(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._masked(inner) for inner in value]
        if value is None or isinstance(value, bool) or value in self._public:
            return value
        return MASK

    def _name(self, name: str) -> str:
        return name if name in FIELDS | self._configured else MASK


def _public_words(section: BaseModel) -> Iterator[str]:
    """The paths and field names in a table of the configuration."""
    for name, value in section:
        if isinstance(value, BaseModel):
            yield from _public_words(value)
        elif isinstance(value, Endpoint):
            yield value.target.partition(b"?")[0].decode()
        elif isinstance(value, dict):
            # Names of fields. A value may be a secret: a constant header, for example.
            yield from (str(key) for key in value)
        elif isinstance(value, list):
            for each in value:
                if isinstance(each, BaseModel):
                    yield from _public_words(each)
        elif isinstance(value, tuple) and name == "field":
            yield ".".join(map(str, value))
        elif isinstance(value, str) and name in PUBLIC_SETTINGS:
            yield value
