"""Connections that are kept for the next request. Responses never are."""

import contextlib
import ssl
from collections import deque
from collections.abc import Callable
from typing import Protocol

from extauth_http.config.backend import BackendSettings
from extauth_http.config.endpoint import Origin
from extauth_http.config.tls import Tls
from extauth_http.http.deadline_connection import Connection, NoResponseError
from extauth_http.http.failure import RequestFailedError, Step
from extauth_http.http.proxy import Proxy, environment_proxy, open_tunnel
from extauth_http.http.request import Request, serialize_request
from extauth_http.http.response import Response
from extauth_http.http.response_parser import MAX_BODY, ResponseParser

MAX_IDLE = 128
"""Unused connections that are kept to one origin."""


class RequestSender(Protocol):
    """What sends requests: a ConnectionPool, or something that wraps or replaces one."""

    def send(self, request: Request, due: float, *, may_repeat: bool) -> Response:
        """The whole response to a request.

        ``due`` is the time of ``time.monotonic()`` at which the call ends at the latest.
        ``may_repeat`` is true if it does no harm that the service executes the request twice.
        Raises RequestFailedError.
        """

    def close(self) -> None:
        """Closes the connections that are not in use."""


PoolFactory = Callable[[BackendSettings], RequestSender]
"""Makes the connection pool of one backend."""


class ConnectionPool:
    """Connections to services, kept by origin.

    Safe to use from several threads: each request has a connection of its own. Redirects are not
    followed. Proxies of the environment are used only with ``trust_env``. With ``max_idle = 0``
    each request opens a connection of its own. With ``needs_echo`` a response must return the
    ``X-Request-ID`` of its request. ``on_unasked`` is called when a service has sent bytes that
    belong to no request; that connection is closed.
    """

    def __init__(
        self,
        tls: Tls,
        *,
        trust_env: bool = False,
        max_body: int = MAX_BODY,
        max_idle: int = MAX_IDLE,
        needs_echo: bool = False,
        on_unasked: Callable[[Origin], None] = lambda _: None,
    ) -> None:
        """Raises ValueError if a certificate or key file cannot be used."""
        self._tls = tls
        # Loading the certificates of the system is slow and not needed for plain http.
        self._tls_context = tls.context() if tls.is_set else None
        self._trust_env = trust_env
        self._max_body = max_body
        self._max_idle = max_idle
        self._needs_echo = needs_echo
        self._on_unasked = on_unasked
        self._idle: dict[Origin, deque[Connection]] = {}

    @classmethod
    def of_backend(
        cls,
        settings: BackendSettings,
        on_unasked: Callable[[Origin], None] = lambda _: None,
    ) -> "ConnectionPool":
        """The pool that the settings of a backend describe."""
        return cls(
            settings.tls,
            trust_env=settings.trust_env,
            max_idle=MAX_IDLE if settings.reuse_connections else 0,
            needs_echo=settings.echo is not None,
            on_unasked=on_unasked,
        )

    def send(self, request: Request, due: float, *, may_repeat: bool) -> Response:
        """As RequestSender describes it.

        Only a request that may be repeated uses a kept connection. If the service has closed that
        connection meanwhile, the request is sent again on a new one. A write on a kept connection
        could be lost half way, and nothing would show whether the service executed it.
        """
        origin = request.endpoint.origin
        proxy = environment_proxy(origin) if self._trust_env else None
        data = _serialize(request, proxy)
        connection = self._take_idle(origin) if may_repeat else None
        if connection is not None:
            connection.due = due
            try:
                return self._send(connection, request, data)
            except NoResponseError:
                pass
        try:
            connection = self._open(origin, proxy, min(due, request.connect_due))
            connection.due = due
            return self._send(connection, request, data)
        except NoResponseError:
            detail = "the service closed the connection without a response"
            raise RequestFailedError("connection_lost", detail, Step.RECEIVE) from None

    def close(self) -> None:
        """Closes the connections that are not in use."""
        for idle in self._idle.values():
            while idle:
                idle.pop().close()

    def _send(self, connection: Connection, request: Request, data: bytes) -> Response:
        origin = request.endpoint.origin
        try:
            parsed = connection.send(data, head_only=request.method == b"HEAD")
            self._check_headers(parsed, request)
        except BaseException:
            connection.close()
            raise
        if parsed.has_more:
            self._on_unasked(origin)
        if connection.is_reusable and self._max_idle:
            self._keep(connection, origin)
        else:
            connection.close()
        return Response(parsed.status, parsed.headers, parsed.body())

    def _check_headers(self, response: ResponseParser, request: Request) -> None:
        """Raises RequestFailedError: ``wrong_answer``, ``content_encoding``.

        A service or proxy that sends two responses to one request shifts all later responses of
        the connection by one: a wrong password would get the response to a right one. Many services
        return the ``X-Request-ID`` of the request, which reveals this.
        """
        is_echoed = False
        for name, value in response.headers:
            if name == b"x-request-id" and request.request_id:
                if value != request.request_id:
                    raise _unusable(response, "wrong_answer", "the response is to another request")
                is_echoed = True
            elif name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
                detail = "the response is compressed, which the request did not allow"
                raise _unusable(response, "content_encoding", detail)
        if self._needs_echo and request.request_id and not is_echoed:
            detail = "the response has no X-Request-ID, which the key echo requires"
            raise _unusable(response, "wrong_answer", detail)

    def _keep(self, connection: Connection, origin: Origin) -> None:
        """Keeps a connection. The last one kept is used first, so that the ones that a busy hour
        opened become old at the other end. Each response closes one of them."""
        idle = self._idle.setdefault(origin, deque())
        idle.append(connection)
        with contextlib.suppress(IndexError):  # Another thread was faster.
            if len(idle) > self._max_idle or idle[0].is_too_old:
                idle.popleft().close()

    def _take_idle(self, origin: Origin) -> Connection | None:
        idle = self._idle.get(origin)
        while idle:
            try:
                connection = idle.pop()
            except IndexError:  # Another thread was faster.
                return None
            if connection.is_alive():
                return connection
            if connection.has_unasked_bytes():
                self._on_unasked(origin)
            connection.close()
        return None

    def _open(self, origin: Origin, proxy: Proxy | None, due: float) -> Connection:
        connection = Connection(due, self._max_body)
        host = origin.host.decode("ascii")
        try:
            if path := origin.socket_path:
                connection.connect_unix(path)
            elif proxy is None:
                connection.connect(host, origin.port)
            else:
                connection.connect(proxy.host, proxy.port)
            if origin.scheme == b"https":
                if proxy:
                    open_tunnel(connection, origin, proxy)
                connection.start_tls(self._context(), host)
        except BaseException:
            connection.close()
            raise
        return connection

    def _context(self) -> ssl.SSLContext:
        if self._tls_context is None:
            self._tls_context = self._tls.context()
        return self._tls_context


def _unusable(response: ResponseParser, reason: str, detail: str) -> RequestFailedError:
    error = RequestFailedError(reason, detail, Step.RECEIVE)
    error.status = response.status
    return error


def _serialize(request: Request, proxy: Proxy | None) -> bytes:
    endpoint = request.endpoint
    if proxy is None or endpoint.is_encrypted:
        return serialize_request(request.method, endpoint.target, request.headers, request.body)
    # A proxy needs the whole URL (RFC 9112 section 3.2.2).
    target = b"http://" + endpoint.host_header + endpoint.target
    headers = [*request.headers, *proxy.headers]
    return serialize_request(request.method, target, headers, request.body)
