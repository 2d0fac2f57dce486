"""One command's HTTP: within its deadline, verified, bounded, never redirected, never repeated.

httpx's URLs are used, its client is not. What matters here lies beneath a client: a deadline for
everything together instead of a timeout for each step, what was sent of a request that got lost,
and which connection it was on. ``line.py`` is that connection.
"""

import contextlib
from collections import deque
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from extauth_http.config.endpoint import Endpoint, Origin
from extauth_http.http.connection import Connection, NoResponseError
from extauth_http.http.proxy import Proxy, environment_proxy, tunnel
from extauth_http.http.request import encode_body, serialize_request
from extauth_http.http.response_parser import Headers
from extauth_http.protocol.command import Command
from extauth_http.protocol.verdict import UndecidedError

if TYPE_CHECKING:
    from extauth_http.config.backend import BackendSettings

from extauth_http.http.response import Response


class HttpClient:
    """The HTTP of one command: what a backend asks with.

    ``status`` is that of the last answer, for the log. Not shared between threads.
    """

    def __init__(
        self, http: "ConnectionPool", command: Command, due: float, request_id: str
    ) -> None:
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
    ) -> Response:
        """One request and its whole answer.

        The body is ``json`` or ``form`` or none. ``service_auth`` says whether the program names
        itself to the service as configured. Raises Undecided, with a stable reason, for everything
        that is not an HTTP answer before the deadline.
        """
        endpoint = Endpoint.parse(url) if isinstance(url, str) else url
        body, content_type = encode_body(json, form)
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


class ConnectionPool:
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
        self._idle: dict[Origin, deque[Connection]] = {}

    def exchange(self, command: Command, due: float, request_id: str) -> HttpClient:
        """The HTTP of one command; ``due`` is the time of ``time.monotonic()`` it has to end at."""
        return HttpClient(self, command, due, request_id)

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
    ) -> Response:
        """One request and its answer; once more on a fresh connection where a kept one was dead.

        A write never goes out on a kept connection: it could be lost half way, and nobody could
        say whether it was done.
        """
        proxy = environment_proxy(endpoint.origin) if self._trust_env else None
        if proxy and not endpoint.is_encrypted:
            # RFC 9112 section 3.2.2: a proxy is told the whole URL.
            request = serialize_request(
                method,
                b"http://" + endpoint.host_header + endpoint.target,
                [*headers, *proxy.headers],
                body,
            )
        else:
            request = serialize_request(method, endpoint.target, headers, body)
        head_only = method == b"HEAD"
        line = self._kept(endpoint.origin) if may_repeat else None
        if line is not None:
            line.due = due
            try:
                return self._ask(line, endpoint.origin, request, head_only)
            except NoResponseError:
                pass
        try:
            return self._ask(
                self._fresh(endpoint.origin, proxy, due), endpoint.origin, request, head_only
            )
        except NoResponseError:
            raise UndecidedError(
                "connection_lost", "the service closed the connection without an answer"
            ) from None

    def _keep(self, origin: Origin, line: Connection) -> None:
        """Keeps a connection. The last one is used first, so those of a busy hour grow old at the
        other end: each answer closes one of them."""
        idle = self._idle.setdefault(origin, deque())
        idle.append(line)
        with contextlib.suppress(IndexError):  # another thread was faster
            if idle[0].is_too_old:
                idle.popleft().close()

    def _kept(self, origin: Origin) -> Connection | None:
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

    def _fresh(self, origin: Origin, proxy: "Proxy | None", due: float) -> Connection:
        line = Connection(due)
        host = origin.host.decode("ascii")
        try:
            if proxy is None:
                line.connect(host, origin.port)
            else:
                line.connect(proxy.host, proxy.port)
            if origin.scheme == b"https":
                if proxy:
                    tunnel(line, origin, proxy)
                if self._tls is None:
                    self._tls = self._tls_settings.context()
                line.start_tls(self._tls, host)
        except BaseException:
            line.close()
            raise
        return line

    def _ask(self, line: Connection, origin: Origin, request: bytes, head_only: bool) -> Response:
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
            raise UndecidedError("content_encoding", "the answer came compressed, unasked")
        return Response(answer.status, answer.headers, answer.body())
