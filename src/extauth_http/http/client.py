"""What a backend sends requests with: HTTP that is bound to one command and its deadline."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, TypedDict, Unpack

from extauth_http.config.backend import BackendSettings
from extauth_http.config.endpoint import Endpoint
from extauth_http.config.service_auth import ClientCredentials, header_names
from extauth_http.http.breaker import Breaker, BreakerState
from extauth_http.http.failure import RequestFailedError, Step
from extauth_http.http.pool import ConnectionPool, PoolFactory, RequestSender
from extauth_http.http.request import Request, encode_body, refuse_headers
from extauth_http.http.response import Response
from extauth_http.http.response_parser import RawHeaders
from extauth_http.http.service_restart import ServiceRestarts
from extauth_http.http.service_token import ServiceToken
from extauth_http.http.standby import StandbyOrder
from extauth_http.protocol.command import Command

if TYPE_CHECKING:
    import httpx

HEADERS: RawHeaders = (
    (b"User-Agent", b"extauth-http"),
    (b"Accept", b"application/json"),
    (b"Accept-Encoding", b"identity"),
    (b"Cache-Control", b"no-store"),
)
"""Headers of each request to the service of a backend."""

WITHOUT_BODY = frozenset({"GET", "HEAD", "DELETE"})
"""Methods that need no ``Content-Length`` if there is no body (RFC 9110 section 8.6)."""


class RequestOptions(TypedDict, total=False):
    """The keyword arguments of ``HttpClient.request``. All are optional."""

    json: object
    """A body in JSON. ``None`` is no body."""
    data: Mapping[str, str] | None
    """A body as a form (``application/x-www-form-urlencoded``)."""
    params: Mapping[str, str] | None
    """Fields that are added to the query of the URL."""
    headers: Mapping[str, str] | Iterable[tuple[str, str]]
    service_auth: bool
    """Whether the credentials of the ``service_auth`` table are sent. They are by default."""


class HttpClient:
    """The HTTP of one command. Not shared between threads.

    Each request ends before the command's deadline ``due``, a time of ``time.monotonic()``.
    Certificates are verified, redirects are not followed, the response is bounded in size, and
    only a read is ever sent twice. ``status`` is the status of the last response, for the log.
    """

    # Class attributes, because few commands set them.
    status: int | None = None
    service: str | None = None
    """The URL that answered, without its path, if there are several (``standby``)."""
    link: int | None = None
    """The number of the table that decided, if there are several (``chain``)."""
    notes: tuple[str, ...] = ()
    """Which rules decided, for people; see ``explains``."""

    def __init__(
        self, factory: "HttpClientFactory", command: Command, due: float, request_id: str
    ) -> None:
        self._factory = factory
        self._command = command
        self.due = due
        self.request_id = request_id
        self.kind = factory.kind
        """The kind of backend that was used, for the log. It is another one if this backend leaves
        the command to the backend of a table inside its own; see ``adopt``."""

    def get(self, url: str | Endpoint, **options: Unpack[RequestOptions]) -> Response:
        """``request`` with the method GET."""
        return self.request("GET", url, **options)

    def post(self, url: str | Endpoint, **options: Unpack[RequestOptions]) -> Response:
        """``request`` with the method POST."""
        return self.request("POST", url, **options)

    def put(self, url: str | Endpoint, **options: Unpack[RequestOptions]) -> Response:
        """``request`` with the method PUT."""
        return self.request("PUT", url, **options)

    def delete(self, url: str | Endpoint, **options: Unpack[RequestOptions]) -> Response:
        """``request`` with the method DELETE."""
        return self.request("DELETE", url, **options)

    def request(
        self,
        method: str,
        url: str | Endpoint,
        *,
        json: object = None,
        data: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        service_auth: bool = True,
    ) -> Response:
        """Sends a request and returns the whole response.

        Raises RequestFailedError if there is no whole response before the deadline, and ValueError
        if ``url`` is not an absolute http or https URL.
        """
        endpoint = Endpoint.parse(url) if isinstance(url, str) else url
        if params:
            endpoint = endpoint.with_query(params)
        body, content_type = encode_body(json, data)
        lines = [(b"Host", endpoint.host_header), *self._headers(service_auth)]
        if content_type:
            lines.append((b"Content-Type", content_type))
        if body or method not in WITHOUT_BODY:
            lines.append((b"Content-Length", str(len(body)).encode()))
        if headers:
            lines = self._with_own_headers(lines, headers, service_auth)
        # Another server than the service, such as a provider, need not return the request ID.
        request_id = self.request_id.encode() if service_auth else b""
        request = Request(method.encode(), endpoint, lines, body, request_id)
        response = self._send(request, self.due)
        if service_auth and response.status_code == 401 and self._is_token_replaced(lines):
            return self.request(method, url, json=json, data=data, params=params, headers=headers)
        return response

    def client(self, *, service_auth: bool = True) -> "httpx.Client":
        """An ``httpx.Client`` with the deadline, connections and default headers of this command.

        Its timeouts can end a request earlier, never later. An httpx error of a request has the
        same reason as the RequestFailedError would have, also if the backend does not catch it.
        """
        import httpx

        from extauth_http.http.transport import PoolTransport

        return httpx.Client(
            transport=PoolTransport(_CommandSender(self)),
            headers=[*self._headers(service_auth)],
            timeout=None,  # noqa: S113 - the transport keeps the deadline
            trust_env=False,
            follow_redirects=False,
        )

    def nested(self, key: str) -> "HttpClient":
        """The HTTP of the same command for another service: the one of the backend table that is
        the value of ``key`` in the settings of this backend.

        A backend that leaves the command to that service calls ``adopt`` afterwards.
        """
        return HttpClient(self._factory.nested[key], self._command, self.due, self.request_id)

    @property
    def explains(self) -> bool:
        """Whether somebody reads ``notes``, as with ``replay -v``."""
        return self._factory.explains

    def adopt(self, nested: "HttpClient") -> None:
        """Takes over what the log says about the use of a nested backend."""
        self.kind, self.status, self.service = nested.kind, nested.status, nested.service
        self.notes += nested.notes

    def _send(self, request: Request, due: float) -> Response:
        may_repeat = not self._command.operation.is_write
        due = min(due, self.due)
        factory = self._factory
        if not factory.breaker.admits(due):
            detail = "not sent: the service did not answer the requests before this one in time"
            raise RequestFailedError("service_hangs", detail, Step.PREPARE)
        is_late = True  # unless it ends in another way
        try:
            if request.endpoint.standby:
                response, endpoint = factory.standby_order.send(
                    request, due, factory.sender, may_repeat=may_repeat
                )
                self.service = endpoint.base
            else:
                response = factory.restarts.send(
                    request, due, factory.sender, may_repeat=may_repeat
                )
            is_late = False
        except RequestFailedError as error:
            self.status = error.status
            is_late = error.reason == "deadline"
            raise
        finally:
            factory.breaker.record(is_late=is_late)
        self.status = response.status_code
        return response

    def _with_own_headers(
        self,
        lines: RawHeaders,
        headers: Mapping[str, str] | Iterable[tuple[str, str]],
        service_auth: bool,
    ) -> list[tuple[bytes, bytes]]:
        """The headers of a request with those of the backend, which replace Accept, User-Agent and
        Content-Type. Raises RequestFailedError (``bad_request``)."""
        pairs = [*(headers.items() if isinstance(headers, Mapping) else headers)]
        taken = self._factory.service_auth_names if service_auth else ()
        refuse_headers((name for name, _ in pairs), taken)
        own = {name.lower().encode() for name, _ in pairs}
        kept = [(name, value) for name, value in lines if name.lower() not in own]
        return kept + [(name.encode(), value.encode()) for name, value in pairs]

    def _headers(self, service_auth: bool) -> RawHeaders:
        known = self._factory.headers_with_auth if service_auth else HEADERS
        if service_auth and self._factory.service_token:
            known = (*known, (b"Authorization", b"Bearer " + self._service_token()))
        return (*known, (b"X-Request-ID", self.request_id.encode()))

    def _is_token_replaced(self, sent: RawHeaders) -> bool:
        """Whether the service may accept another access token of this program after a 401."""
        token = self._factory.service_token
        if token is None:
            return False
        value = next((value for name, value in sent if name == b"Authorization"), b"")
        return token.refused(value.removeprefix(b"Bearer ").decode())

    def _service_token(self) -> bytes:
        """The access token of this program. Raises UndecidedError (``service_token``)."""
        token = self._factory.service_token
        assert token is not None  # noqa: S101 - the caller has looked
        # Another client, because the log is about the requests of the command.
        own = HttpClient(self._factory, self._command, self.due, self.request_id)
        return token.get(own).encode()


class HttpClientFactory:
    """Makes the HttpClient of each command to one backend. Safe to use from several threads."""

    def __init__(
        self,
        settings: BackendSettings,
        pool: PoolFactory = ConnectionPool.of_backend,
        *,
        explains: bool = False,
        on_breaker: Callable[[str, BreakerState], None] = lambda *_: None,
    ) -> None:
        """``pool`` also makes the pools of the backend tables inside of the settings. With
        ``explains``, backends say which of their rules decided. ``on_breaker`` is called with the
        kind of backend when its circuit breaker opens or closes.

        Raises ValueError if a certificate or key file cannot be used.
        """
        self.kind = settings.kind
        self.sender: RequestSender = pool(settings)
        self.explains = explains
        self.breaker = Breaker(
            settings.breaker_limit, lambda state: on_breaker(settings.kind, state)
        )
        self.standby_order = StandbyOrder()
        self.restarts = ServiceRestarts()
        auth = settings.service_auth
        self.service_auth_names = header_names(auth)
        self.service_token: ServiceToken | None = None
        self.headers_with_auth: RawHeaders = HEADERS
        if isinstance(auth, ClientCredentials):
            self.service_token = ServiceToken(auth)
        elif auth is not None:
            self.headers_with_auth = (*HEADERS, *auth.headers())
        self.nested = {
            key: HttpClientFactory(value, pool, explains=explains, on_breaker=on_breaker)
            for key, value in settings.nested_tables().items()
        }

    def for_command(self, command: Command, due: float, request_id: str) -> HttpClient:
        """``due`` is the time of ``time.monotonic()`` at which the answer is due."""
        return HttpClient(self, command, due, request_id)

    def close(self) -> None:
        """Closes the connections that are not in use."""
        self.sender.close()
        for factory in self.nested.values():
            factory.close()


class _CommandSender:
    """The sender behind an ``httpx.Client``: it obeys the command and outlives the client."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    def send(self, request: Request, due: float, *, may_repeat: bool) -> Response:
        return self._http._send(request, due)

    def close(self) -> None:
        pass
