"""Requests and responses as text for people, without anything that may be a credential.

Only what is known to be public is shown: the user and host of the command, booleans, null and
small numbers, the
words of the configuration and of the protocols, and the endpoints in a discovery document.
Everything else is masked. This includes unknown fields, and a password that the service returns in
any encoding.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

from pydantic import BaseModel

from extauth_http.backends.oauth_errors import STANDARD_ERRORS
from extauth_http.backends.rule_explanation import MAX_SHOWN_NUMBER
from extauth_http.config.backend import BackendSettings
from extauth_http.config.endpoint import Endpoint
from extauth_http.http.pool import ConnectionPool, RequestSender
from extauth_http.http.request import Request
from extauth_http.http.response import CONTENT_TYPES, Response
from extauth_http.http.response_parser import RawHeaders
from extauth_http.protocol.command import Operation
from extauth_http.terminal.masking import MASK, quotes_nothing

MAX_BODY = 400
"""Characters of a body that are shown."""

FIELDS = {
    # RFC 6749, 6750, 7009, 7519, 7662 and OpenID Connect
    *("access_token", "active", "aud", "client_id", "client_secret", "email", "error"),
    *("error_description", "exp", "expires_in", "grant_type", "iat", "id_token", "iss", "jti"),
    *("name", "nbf", "password", "preferred_username", "refresh_token", "scope", "sub"),
    *("token", "token_type", "token_type_hint", "username"),
    # OpenID Connect Discovery 1.0 and RFC 8414
    *("authorization_endpoint", "introspection_endpoint", "issuer", "jwks_uri"),
    *("revocation_endpoint", "token_endpoint", "userinfo_endpoint"),
    # rest, mongooseim, jsxc, and common fields of services
    *("code", "detail", "domain", "exists", "host", "isUser", "message", "ok", "operation"),
    *("pass", "result", "secret", "server", "status", "success", "user"),
}
"""Names of fields that contain nothing about a user."""

PATHS = {
    *(each.value for each in Operation),
    *("check_password", "user_exists", ".well-known", "openid-configuration"),
}

DISCOVERY = b"/.well-known/openid-configuration"

PUBLIC_HEADERS = {
    *("accept", "accept-encoding", "cache-control", "connection", "content-encoding"),
    *("content-length", "date", "host", "server", "transfer-encoding", "user-agent"),
    *("x-request-id",),
}
"""Names of headers, in lower case, whose value says nothing about a user."""

AUTH_SCHEMES = {"Basic", "Bearer", "Token"}

PUBLIC_SETTINGS = {"issuer", "path", "username_claim"}
"""Settings whose value is a path, a URL or the name of a field."""


@dataclass(frozen=True, slots=True)
class TracedRequest:
    """One request and its response, both masked. ``headers`` are lines such as ``Name: value``."""

    request: str
    response: str
    request_headers: tuple[str, ...] = ()
    response_headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trace:
    """The requests of one command, what of it may be shown, and what must not."""

    requests: list[TracedRequest] = field(default_factory=list)
    public: set[str] = field(default_factory=set)
    secrets: set[str] = field(default_factory=set)
    endpoints: set[str] = field(default_factory=set)
    """The URLs of discovery documents and the segments of their paths. A document outlives the
    command for which it was requested."""

    def restart(self, public: Iterable[str], secrets: Iterable[str]) -> None:
        """Forgets the last command, except the endpoints that it found."""
        self.requests.clear()
        self.secrets.clear()
        self.secrets.update(secrets)
        self.public.clear()
        self.public.update(public)
        self.public.difference_update(self.secrets)

    def may_show(self, text: str) -> bool:
        if text in self.public:
            return True
        is_word = text in self.endpoints or text in STANDARD_ERRORS
        return is_word and quotes_nothing(text, self.secrets)

    @property
    def lines(self) -> tuple[str, ...]:
        """The requests and responses for people; empty if there was no request."""
        return tuple(
            line
            for each in self.requests
            for line in (f"request: {each.request}", f"response: {each.response}")
        )

    @property
    def lines_with_headers(self) -> tuple[str, ...]:
        """The same with the headers, which are indented."""
        lines: list[str] = []
        for each in self.requests:
            lines += (f"request: {each.request}", *(f"  {line}" for line in each.request_headers))
            lines += (
                f"response: {each.response}",
                *(f"  {line}" for line in each.response_headers),
            )
        return tuple(lines)


class TracingPool:
    """A connection pool that adds each request to a trace."""

    def __init__(self, settings: BackendSettings, trace: Trace) -> None:
        self._pool: RequestSender = ConnectionPool.of_backend(settings)
        self._trace = trace
        self._configured = {
            part
            for word in _public_words(settings)
            for part in (word, *word.split("."), *word.split("/"))
        }

    def send(self, request: Request, due: float, *, may_repeat: bool) -> Response:
        parts = (request.method.decode(), self._url(request.endpoint), self._body(request.body))
        response_text = "none"
        response_headers: tuple[str, ...] = ()
        try:
            response = self._pool.send(request, due, may_repeat=may_repeat)
            if request.endpoint.target.endswith(DISCOVERY):
                self._trace.endpoints.update(_endpoints(response))
            response_text = self._response(response)
            response_headers = self._headers(response.raw_headers)
        finally:
            sent = TracedRequest(
                " ".join(filter(None, parts)),
                response_text,
                self._headers(request.headers),
                response_headers,
            )
            self._trace.requests.append(sent)
        return response

    def close(self) -> None:
        self._pool.close()

    def _url(self, endpoint: Endpoint) -> str:
        """A plugin may put anything into a path, and a discovery document may contain any URL."""
        path, mark, _ = endpoint.target.partition(b"?")
        known = {"", *PATHS, *self._configured}
        segments = [
            segment if unquote(segment) in known or self._trace.may_show(unquote(segment)) else MASK
            for segment in path.decode().split("/")
        ]
        return f"{endpoint.base}{'/'.join(segments)}{f'?{MASK}' if mark else ''}"

    def _response(self, response: Response) -> str:
        sent_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if sent_type.endswith("json"):
            body = self._body(response.content)
        else:
            body = f"{len(response.content)} bytes"
        return f"{response.status_code} {response.content_type}: {body or 'empty'}"

    def _headers(self, headers: RawHeaders) -> tuple[str, ...]:
        return tuple(
            f"{(shown := name.decode('latin-1'))}: {self._header_value(shown, value)}"
            for name, value in headers
        )

    def _header_value(self, name: str, value: bytes) -> str:
        text = value.decode("utf-8", "replace")
        if name.lower() == "content-type":
            essence = text.partition(";")[0].strip().lower()
            return essence if essence in CONTENT_TYPES else MASK
        if name.lower() in PUBLIC_HEADERS or self._trace.may_show(text):
            return text if quotes_nothing(text, self._trace.secrets) else MASK
        scheme, space, _ = text.partition(" ")
        return f"{scheme} {MASK}" if space and scheme in AUTH_SCHEMES else MASK

    def _body(self, body: bytes) -> str:
        try:
            text = json.dumps(self._masked(json.loads(body)), ensure_ascii=False)
        except (ValueError, RecursionError):
            pairs = parse_qsl(body.decode("latin-1"), keep_blank_values=True)
            text = "&".join(f"{self._name(key)}={self._masked(value)}" for key, value in pairs)
        return text if len(text) <= MAX_BODY else f"{text[:MAX_BODY]}…"

    def _masked(self, value: Any) -> Any:
        if isinstance(value, dict):
            return self._masked_members(value)
        if isinstance(value, list):
            return [self._masked(inner) for inner in value]
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int | float):
            is_code = abs(value) <= MAX_SHOWN_NUMBER and str(value) not in self._trace.secrets
            return value if is_code else MASK
        return value if isinstance(value, str) and self._trace.may_show(value) else MASK

    def _masked_members(self, members: dict[str, Any]) -> dict[str, Any]:
        """Names that are masked get a number, so that each member is shown."""
        shown: dict[str, Any] = {}
        masked = 0
        for key, inner in members.items():
            name = self._name(key)
            if name == MASK:
                masked += 1
                name = MASK if masked == 1 else f"{MASK} ({masked})"
            shown[name] = self._masked(inner)
        return shown

    def _name(self, name: str) -> str:
        return name if name in FIELDS | self._configured else MASK


def _endpoints(response: Response) -> Iterator[str]:
    """The URLs in a discovery document, and the segments of their paths."""
    try:
        document = json.loads(response.content)
    except (ValueError, RecursionError):
        return
    for url in document.values() if isinstance(document, dict) else ():
        if isinstance(url, str) and "://" in url:
            yield from (url, *url.split("/")[3:])


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
        elif isinstance(value, list | tuple) and name != "field":
            for each in value:
                if isinstance(each, BaseModel):
                    yield from _public_words(each)
        elif isinstance(value, tuple) and name == "field":
            yield ".".join(map(str, value))
        elif isinstance(value, str) and name in PUBLIC_SETTINGS:
            yield value
