"""One command's HTTP: within its deadline, verified, bounded, never redirected, never repeated.

httpx's URLs are used, its client is not. What matters here lies beneath a client: a deadline for
everything together instead of a timeout for each step, what was sent of a request that got lost,
and which connection it was on. ``line.py`` is that connection.
"""

import contextlib
import json
import re
from base64 import b64encode
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

import httpx

from extauth_http.command import Command
from extauth_http.line import Headers, Line, Unanswered
from extauth_http.verdict import Undecided

if TYPE_CHECKING:
    from extauth_http.backends import BackendSettings


MAX_KIND = 100
"""Letters of a content type that get into the log: a service must not be able to fill it."""


class Origin(NamedTuple):
    """What a connection is to."""

    scheme: bytes
    host: bytes
    port: int


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a request goes, taken apart once. ``target`` is the path and query as sent."""

    origin: Origin
    host_header: bytes
    target: bytes

    @classmethod
    def parse(cls, url: str) -> "Endpoint":
        """Raises ValueError for what is no absolute http or https URL, or has a password in it."""
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL:
            # Its text quotes what it stumbles over: of http://u:pass/word@host, "pass".
            raise ValueError("expected a URL; this one cannot be taken apart") from None
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise ValueError("expected a URL that starts with http:// or https:// and names a host")
        if parsed.userinfo:
            raise ValueError("expected a URL without user and password; service_auth is for those")
        port = parsed.port or (443 if parsed.scheme == "https" else 80)
        return cls(
            Origin(parsed.raw_scheme, parsed.raw_host, port),
            parsed.netloc,
            parsed.raw_path,
        )

    def below(self, path: str) -> "Endpoint":
        """The endpoint at ``path`` (already percent-encoded) under this one; keeps its query."""
        before, mark, query = self.target.partition(b"?")
        target = before.rstrip(b"/") + b"/" + path.lstrip("/").encode() + mark + query
        return Endpoint(self.origin, self.host_header, target)

    def asking(self, query: Mapping[str, str]) -> "Endpoint":
        """The endpoint with these fields added to its query."""
        mark = b"&" if b"?" in self.target else b"?"
        target = self.target + mark + urlencode(query).encode()
        return Endpoint(self.origin, self.host_header, target)

    @property
    def is_encrypted(self) -> bool:
        return self.origin.scheme == b"https"

    def __str__(self) -> str:
        """For people and logs: without the query, which may hold a credential."""
        return (
            f"{self.origin.scheme.decode()}://{self.host_header.decode()}"
            f"{self.target.partition(b'?')[0].decode()}"
        )

    __repr__ = __str__


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What the service said: a status, headers with lower-case names, and a whole body. What it
    said may be a token, so only the status is in ``repr``."""

    status: int
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)

    def json(self) -> Any:
        """The body as JSON. Raises Undecided (``not_an_answer``) where it is none, or is JSON that
        two readers could read differently (a name twice in one object, NaN)."""
        try:
            return _JSON.decode(self.body.decode())
        except (ValueError, RecursionError):
            kind = self.header(b"content-type") or "no content type"
            if len(kind) > MAX_KIND or not kind.isprintable():
                kind = "an odd content type"
            raise Undecided(
                "not_an_answer", f"status {self.status}, body is not JSON ({kind})"
            ) from None

    def header(self, name: bytes) -> str:
        """A header's value, or an empty string; ``name`` in lower case. Values that differ are all
        in it, with commas between (RFC 9110 section 5.3): none of them counts alone. The text is
        UTF-8, or else ISO 8859-1 as HTTP once had it."""
        value = b", ".join(dict.fromkeys(value for key, value in self.headers if key == name))
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.decode("latin-1")

    def undecided(self) -> Undecided:
        """What to raise for a status that is neither a yes nor a no."""
        detail = f"the service answered with status {self.status}"
        if 300 <= self.status < 400:
            detail += "; redirects are not followed"
        return Undecided(f"http_{self.status}", detail)


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_JSON = json.JSONDecoder(object_pairs_hook=_unambiguous, parse_constant=_no_constant)


class Exchange:
    """The HTTP of one command: what a backend asks with.

    ``status`` is that of the last answer, for the log. Not shared between threads.
    """

    def __init__(self, http: "Http", command: Command, due: float, request_id: str) -> None:
        self._http = http
        self._may_repeat = not command.operation.is_write
        self.due = due
        self.request_id = request_id
        self.status: int | None = None

    def send(
        self,
        method: str,
        url: str | Endpoint,
        *,
        json: object = None,
        form: Mapping[str, str] | None = None,
        headers: Iterable[tuple[str, str]] = (),
        service_auth: bool = True,
    ) -> HttpAnswer:
        """One request and its whole answer.

        The body is ``json`` or ``form`` or none. ``service_auth`` says whether the program names
        itself to the service as configured. Raises Undecided, with a stable reason, for everything
        that is not an HTTP answer before the deadline.
        """
        endpoint = Endpoint.parse(url) if isinstance(url, str) else url
        body, content_type = _body(json, form)
        lines = [
            (b"Host", endpoint.host_header),
            *self._http.standing_headers,
            (b"X-Request-ID", self.request_id.encode()),
        ]
        if service_auth:
            lines += self._http.service_headers
        if content_type:
            lines.append((b"Content-Type", content_type))
        if body or method not in ("GET", "HEAD", "DELETE"):
            lines.append((b"Content-Length", str(len(body)).encode()))
        lines += [(name.encode(), value.encode()) for name, value in headers]
        answer = self._http.ask(
            endpoint, method.encode(), lines, body, due=self.due, may_repeat=self._may_repeat
        )
        self.status = answer.status
        return answer


_TO_JSON = json.JSONEncoder(ensure_ascii=False).encode


def _body(json_value: object, form: Mapping[str, str] | None) -> tuple[bytes, bytes]:
    if form is not None:
        return urlencode(form).encode(), b"application/x-www-form-urlencoded"
    if json_value is not None:
        return _TO_JSON(json_value).encode(), b"application/json"
    return b"", b""


class Http:
    """The connections to one backend's service. Connections are kept, answers never are.

    Safe to use from several threads: each request has a connection to itself.
    """

    def __init__(self, settings: "BackendSettings") -> None:
        """Raises ValueError where a certificate or key file is not usable."""
        self.standing_headers: Headers = (
            (b"User-Agent", b"extauth-http"),
            (b"Accept", b"application/json"),
            # An answer is small; one that arrives packed is a bomb or a mistake.
            (b"Accept-Encoding", b"identity"),
            (b"Cache-Control", b"no-store"),
        )
        self.service_headers: Headers = (
            settings.service_auth.headers() if settings.service_auth else ()
        )
        self._tls_settings = settings.tls
        # Loading the system's certificates takes a while; plain http need not pay for it.
        self._tls = settings.tls.context() if settings.tls.is_set else None
        self._trust_env = settings.trust_env
        self._idle: dict[Origin, deque[Line]] = {}

    def exchange(self, command: Command, due: float, request_id: str) -> Exchange:
        """The HTTP of one command; ``due`` is the time of ``time.monotonic()`` it has to end at."""
        return Exchange(self, command, due, request_id)

    def close(self) -> None:
        """Closes the connections that are not in use."""
        for idle in self._idle.values():
            while idle:
                idle.pop().close()

    def ask(
        self,
        endpoint: Endpoint,
        method: bytes,
        headers: Headers,
        body: bytes,
        *,
        due: float,
        may_repeat: bool,
    ) -> HttpAnswer:
        """One request and its answer; once more on a fresh connection where a kept one was dead.

        A write never goes out on a kept connection: it could be lost half way, and nobody could
        say whether it was done.
        """
        proxy = _environment_proxy(endpoint.origin) if self._trust_env else None
        if proxy and not endpoint.is_encrypted:
            # RFC 9112 section 3.2.2: a proxy is told the whole URL.
            request = _written(
                method,
                b"http://" + endpoint.host_header + endpoint.target,
                [*headers, *proxy.headers],
                body,
            )
        else:
            request = _written(method, endpoint.target, headers, body)
        head_only = method == b"HEAD"
        line = self._kept(endpoint.origin) if may_repeat else None
        if line is not None:
            line.due = due
            try:
                return self._ask(line, endpoint.origin, request, head_only)
            except Unanswered:
                pass
        try:
            return self._ask(
                self._fresh(endpoint.origin, proxy, due), endpoint.origin, request, head_only
            )
        except Unanswered:
            raise Undecided(
                "connection_lost", "the service closed the connection without an answer"
            ) from None

    def _keep(self, origin: Origin, line: Line) -> None:
        """Keeps a connection. The last one is used first, so those of a busy hour grow old at the
        other end: each answer closes one of them."""
        idle = self._idle.setdefault(origin, deque())
        idle.append(line)
        with contextlib.suppress(IndexError):  # another thread was faster
            if idle[0].is_too_old:
                idle.popleft().close()

    def _kept(self, origin: Origin) -> Line | None:
        idle = self._idle.get(origin)
        while idle:
            try:
                line = idle.pop()
            except IndexError:  # another thread was faster
                return None
            if line.is_alive():
                return line
            line.close()
        return None

    def _fresh(self, origin: Origin, proxy: "_Proxy | None", due: float) -> Line:
        line = Line(due)
        host = origin.host.decode("ascii")
        try:
            if proxy is None:
                line.connect(host, origin.port)
            else:
                line.connect(proxy.host, proxy.port)
            if origin.scheme == b"https":
                if proxy:
                    _tunnel(line, origin, proxy)
                if self._tls is None:
                    self._tls = self._tls_settings.context()
                line.start_tls(self._tls, host)
        except BaseException:
            line.close()
            raise
        return line

    def _ask(self, line: Line, origin: Origin, request: bytes, head_only: bool) -> HttpAnswer:
        try:
            answer = line.ask(request, head_only=head_only)
        except BaseException:
            line.close()
            raise
        if line.may_be_kept:
            self._keep(origin, line)
        else:
            line.close()
        if any(name == b"content-encoding" for name, _ in answer.headers):
            raise Undecided("content_encoding", "the answer came compressed, unasked")
        return HttpAnswer(answer.status, answer.headers, answer.body())


_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET = re.compile(rb"[\x21-\x7e]+")
_VALUE = re.compile(rb"[^\x00-\x08\x0a-\x1f\x7f]*")


def _written(method: bytes, target: bytes, headers: Headers, body: bytes) -> bytes:
    """The bytes of a request (RFC 9112). Raises Undecided (``bad_request``) for what would end a
    line early, and with it begin a header that nobody meant."""
    if not (_TOKEN.fullmatch(method) and _TARGET.fullmatch(target)):
        raise Undecided("bad_request", "the method or path cannot be written as HTTP/1.1")
    parts = [method, b" ", target, b" HTTP/1.1\r\n"]
    for name, value in headers:
        if not (_TOKEN.fullmatch(name) and _VALUE.fullmatch(value)):
            raise Undecided("bad_request", "a header cannot be written as HTTP/1.1")
        parts += (name, b": ", value, b"\r\n")
    parts += (b"\r\n", body)
    return b"".join(parts)


@dataclass(frozen=True, slots=True)
class _Proxy:
    """A proxy that the environment names; ``headers`` are what it alone is told."""

    host: str
    port: int
    headers: Headers


def _environment_proxy(origin: Origin) -> _Proxy | None:
    """Raises Undecided (``proxy``) where what the environment names cannot be used."""
    from urllib.request import getproxies, proxy_bypass

    if proxy_bypass(origin.host.decode()):
        return None
    proxies = getproxies()
    url = proxies.get(origin.scheme.decode()) or proxies.get("all")
    if not url:
        return None
    try:
        named = httpx.URL(url)
    except httpx.InvalidURL:
        raise Undecided("proxy", "what the environment names as a proxy is no URL") from None
    if named.scheme != "http" or not named.host:
        raise Undecided("proxy", "a proxy is used over http:// only")
    pair = f"{named.username}:{named.password}".encode()
    headers = ((b"Proxy-Authorization", b"Basic " + b64encode(pair)),) if named.userinfo else ()
    return _Proxy(named.host, named.port or 80, headers)


def _tunnel(line: Line, origin: Origin, proxy: _Proxy) -> None:
    """Makes a line through a proxy one to ``origin`` (RFC 9110 section 9.3.6)."""
    host = b"[%s]" % origin.host if b":" in origin.host else origin.host
    target = b"%s:%d" % (host, origin.port)
    request = _written(b"CONNECT", target, [(b"Host", target), *proxy.headers], b"")
    try:
        status = line.ask(request, head_only=True).status
    except Unanswered:
        raise Undecided("proxy", "the proxy closed the connection") from None
    if not 200 <= status < 300:
        raise Undecided("proxy", f"the proxy refused with status {status}")
