"""One command's HTTP: within its deadline, verified, bounded, never redirected, never repeated.

The engine is httpcore, which is what httpx runs on. It is used without httpx's client around it,
because what matters here lies beneath that: a deadline for everything together instead of a
timeout for each step, what was sent of a request that got lost, and which connection it was on.
``_Line`` is the socket that httpcore is given; the exceptions of all layers become reasons in
``Http._ask`` and ``_Line``, nowhere else.
"""

import errno
import json
import select
import socket
import ssl
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import httpcore
import httpx

from extauth_http.command import Command
from extauth_http.verdict import Undecided

if TYPE_CHECKING:
    from extauth_http.backends import BackendSettings

MAX_BODY = 256 * 1024
"""Bytes of an answer's body that are read; a longer one is no answer."""

IDLE_SECONDS = 30.0
"""How long an unused connection is kept. Longer, and a firewall may have forgotten it without a
word, which would cost the next login its whole deadline."""

Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a request goes, taken apart once. ``target`` is the path and query as sent."""

    origin: httpcore.Origin
    host_header: bytes
    target: bytes

    @classmethod
    def parse(cls, url: str) -> "Endpoint":
        """Raises ValueError for what is no absolute http or https URL, or has a password in it."""
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise ValueError(f"expected a URL: {error}") from None
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise ValueError("expected a URL that starts with http:// or https:// and names a host")
        if parsed.userinfo:
            raise ValueError("expected a URL without user and password; service_auth is for those")
        port = parsed.port or (443 if parsed.scheme == "https" else 80)
        return cls(
            httpcore.Origin(parsed.raw_scheme, parsed.raw_host, port),
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
    """What the service said: a status, headers with lower-case names, and a whole body."""

    status: int
    headers: Headers
    body: bytes

    def json(self) -> Any:
        """The body as JSON. Raises Undecided (``not_an_answer``) where it is none, or is JSON that
        two readers could read differently (a name twice in one object, NaN)."""
        try:
            return _JSON.decode(self.body.decode())
        except (ValueError, RecursionError):
            kind = self.header(b"content-type") or "no content type"
            raise Undecided(
                "not_an_answer", f"status {self.status}, body is not JSON ({kind})"
            ) from None

    def header(self, name: bytes) -> str:
        """A header's first value, or an empty string; ``name`` in lower case."""
        return next((value.decode("latin-1") for key, value in self.headers if key == name), "")

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


def _body(json_value: object, form: Mapping[str, str] | None) -> tuple[bytes, bytes]:
    if form is not None:
        return urlencode(form).encode(), b"application/x-www-form-urlencoded"
    if json_value is not None:
        return json.dumps(json_value, ensure_ascii=False).encode(), b"application/json"
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
        self._idle: dict[bytes, deque[tuple[_Line, httpcore.ConnectionInterface]]] = {}

    def exchange(self, command: Command, due: float, request_id: str) -> Exchange:
        """The HTTP of one command; ``due`` is the time of ``time.monotonic()`` it has to end at."""
        return Exchange(self, command, due, request_id)

    def close(self) -> None:
        """Closes the connections that are not in use."""
        for idle in self._idle.values():
            while idle:
                idle.pop()[1].close()

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
        request = httpcore.Request(
            method,
            httpcore.URL(
                scheme=endpoint.origin.scheme,
                host=endpoint.origin.host,
                port=endpoint.origin.port,
                target=endpoint.target,
            ),
            headers=headers,
            content=body,
        )
        kept = self._kept(endpoint.origin) if may_repeat else None
        if kept is not None:
            try:
                return self._ask(*kept, request, due)
            except _Unanswered:
                pass
        try:
            return self._ask(*self._fresh(endpoint.origin), request, due)
        except _Unanswered:
            raise Undecided(
                "connection_lost", "the service closed the connection without an answer"
            ) from None

    def _kept(self, origin: httpcore.Origin) -> "tuple[_Line, httpcore.ConnectionInterface] | None":
        idle = self._idle.get(_name_of(origin))
        while idle:
            try:
                line, connection = idle.pop()
            except IndexError:  # another thread was faster
                return None
            if not connection.has_expired():
                return line, connection
            connection.close()
        return None

    def _fresh(self, origin: httpcore.Origin) -> "tuple[_Line, httpcore.ConnectionInterface]":
        line = _Line()
        if origin.scheme == b"https" and self._tls is None:
            self._tls = self._tls_settings.context()
        options: Any = {
            "ssl_context": self._tls,
            "keepalive_expiry": IDLE_SECONDS,
            "network_backend": line,
        }
        proxy = _environment_proxy(origin) if self._trust_env else None
        pool = (
            httpcore.HTTPProxy(proxy_url=proxy, **options)
            if proxy
            else httpcore.ConnectionPool(**options)
        )
        return line, pool.create_connection(origin)

    def _ask(
        self,
        line: "_Line",
        connection: httpcore.ConnectionInterface,
        request: httpcore.Request,
        due: float,
    ) -> HttpAnswer:
        line.due = due
        line.heard = False
        whole = False
        try:
            response = connection.handle_request(request)
            if any(name.lower() == b"content-encoding" for name, _ in response.headers):
                raise Undecided("content_encoding", "the answer came compressed, unasked")
            body = _whole_body(response.iter_stream())
            response.close()
            whole = True
        except httpcore.RemoteProtocolError:
            if not line.heard:
                raise _Unanswered from None
            if line.ended:
                raise Undecided("connection_lost", "the answer ended in the middle") from None
            raise Undecided("bad_http", "what the service sent is not HTTP/1.1") from None
        except httpcore.LocalProtocolError:
            raise Undecided("bad_request", "the request cannot be written as HTTP/1.1") from None
        except httpcore.ProxyError:
            raise Undecided("proxy", "the proxy refused") from None
        finally:
            if not whole:
                connection.close()
        if connection.is_idle():
            self._idle.setdefault(_name_of(request.url.origin), deque()).append((line, connection))
        else:
            connection.close()
        headers = [(name.lower(), value) for name, value in response.headers]
        return HttpAnswer(response.status, headers, body)


def _name_of(origin: httpcore.Origin) -> bytes:
    return b"%s://%s:%d" % (origin.scheme, origin.host, origin.port)


def _whole_body(chunks: Iterable[bytes]) -> bytes:
    parts: list[bytes] = []
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > MAX_BODY:
            raise Undecided("too_large", f"the answer is longer than {MAX_BODY} bytes")
        parts.append(chunk)
    return b"".join(parts)


def _environment_proxy(origin: httpcore.Origin) -> str | None:
    from urllib.request import getproxies, proxy_bypass

    proxies = getproxies()
    scheme = origin.scheme.decode()
    if proxy_bypass(origin.host.decode()):
        return None
    return proxies.get(scheme) or proxies.get("all")


class _Unanswered(Exception):  # noqa: N818 - a state of the connection, handled in Http.ask
    """The connection turned out dead: not a byte of an answer came."""


class _Line(httpcore.NetworkBackend, httpcore.NetworkStream):
    """One TCP or TLS connection whose every step ends at one time, ``due``.

    What is written waits for the next read: a request leaves in one piece, so that "not a byte was
    sent" and "all of it was" are the two cases there are.
    """

    def __init__(self) -> None:
        self.due = 0.0
        self.heard = False
        """Whether a byte came back since this was last set to False."""
        self.ended = False
        self._outgoing = bytearray()
        self._socket: socket.socket | ssl.SSLSocket | None = None

    def _left(self, doing: str) -> float:
        left = self.due - time.monotonic()
        if left <= 0:
            raise Undecided("deadline", f"no time was left while {doing}")
        return left

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as error:
            self._left("looking up the name")
            known = isinstance(error, socket.gaierror) and error.strerror
            raise Undecided("name_not_found", f"{host}: {known or 'not a name'}") from None
        for number, (family, kind, protocol, _, address) in enumerate(found):
            # Each address gets a fair share of the time, so that one that drops packets does not
            # hide the one that works.
            share = self._left("connecting") / (len(found) - number)
            connection = socket.socket(family, kind, protocol)
            try:
                connection.settimeout(share)
                connection.connect(address)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except BaseException as error:
                connection.close()
                if not isinstance(error, OSError):
                    raise
                if number + 1 == len(found):
                    raise _connect_failed(error, f"{host} port {port}") from None
            else:
                self._socket = connection
                return self
        raise Undecided("name_not_found", f"{host} has no address")

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        plain = self._connected()
        if self._outgoing:
            self._flush()
        plain.settimeout(self._left("starting TLS"))
        try:
            self._socket = ssl_context.wrap_socket(plain, server_hostname=server_hostname)
        except ssl.SSLCertVerificationError as error:
            raise Undecided("tls", f"{server_hostname}: {error.verify_message}") from None
        except TimeoutError:
            raise Undecided("deadline", "no time was left while starting TLS") from None
        except ssl.SSLError as error:
            raise Undecided("tls", f"{server_hostname}: {error.reason or 'no TLS'}") from None
        except OSError as error:
            raise Undecided("tls", f"{server_hostname}: {_name(error)}") from None
        return self

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._outgoing += buffer

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        connection = self._connected()
        if self._outgoing:
            self._flush()
        try:
            connection.settimeout(self._left("waiting for the answer"))
            data = connection.recv(max_bytes)
        except TimeoutError:
            raise Undecided("deadline", "no time was left while waiting for the answer") from None
        except ssl.SSLCertVerificationError:
            raise
        except OSError as error:
            raise self._lost(error) from None
        if data:
            self.heard = True
        else:
            self.ended = True
        return data

    def _flush(self) -> None:
        connection = self._connected()
        outgoing, self._outgoing = self._outgoing, bytearray()
        try:
            connection.settimeout(self._left("sending the request"))
            connection.sendall(outgoing)
        except TimeoutError:
            raise Undecided("deadline", "no time was left while sending the request") from None
        except OSError:
            pass  # what the service said before it closed is still to be read, and tells why

    def _lost(self, error: OSError) -> Exception:
        if self.heard:
            return Undecided("connection_lost", f"in the middle of the answer: {_name(error)}")
        if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
            # With TLS 1.3 a refused client certificate shows only here.
            return Undecided("tls", error.reason or "TLS failed")
        return _Unanswered()

    def _connected(self) -> socket.socket | ssl.SSLSocket:
        assert self._socket is not None, "httpcore connects before it reads or writes"  # noqa: S101
        return self._socket

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()

    def get_extra_info(self, info: str) -> Any:
        if info == "ssl_object" and isinstance(self._socket, ssl.SSLSocket):
            return self._socket
        if info == "is_readable" and self._socket is not None:
            poll = select.poll()
            poll.register(self._socket, select.POLLIN)
            return bool(poll.poll(0))
        return None

    def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.NetworkStream:
        raise NotImplementedError

    def sleep(self, seconds: float) -> None:
        raise NotImplementedError


def _connect_failed(error: OSError, where: str) -> Undecided:
    if isinstance(error, TimeoutError):
        return Undecided("deadline", f"no time was left while connecting to {where}")
    if isinstance(error, ConnectionRefusedError):
        return Undecided("connect_refused", f"nothing listens at {where}")
    return Undecided("connect_failed", f"{where}: {_name(error)}")


def _name(error: OSError) -> str:
    """The error by its symbol, never by a library's text: that may quote what was sent."""
    if isinstance(error, ssl.SSLError):
        return error.reason or "TLS failed"
    return errno.errorcode.get(error.errno or 0, type(error).__name__)
