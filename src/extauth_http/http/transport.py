"""httpx over the connections of this package: an ordinary ``httpx.Client``, one time limit a call.

httpx itself limits each step: a server that sends one byte a second never exceeds its timeout.
Here the timeout covers the whole call: name lookup, connect, TLS, request, headers and body.
"""

import logging
import time
from collections.abc import Mapping

import httpx

from extauth_http.config.endpoint import Endpoint, Origin
from extauth_http.config.tls import Tls
from extauth_http.http.failure import RequestFailedError, Step
from extauth_http.http.pool import MAX_IDLE, ConnectionPool, RequestSender
from extauth_http.http.request import SENT_BY_ENGINE, Request, refuse_headers
from extauth_http.http.response_parser import MAX_BODY, RawHeaders

LONGEST_CALL = 3600.0
"""Seconds of a call for which httpx sets no timeout."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110 section 9.2.1)."""

REPLACED = frozenset(
    {b"accept-encoding", b"connection", b"content-length", b"host", b"transfer-encoding"}
)
"""Headers that depend on how the request is sent."""

# httpx logs the URL of each request, and a query may hold a credential.
logging.getLogger("httpx").setLevel(logging.WARNING)


def client(
    *,
    timeout: float,
    tls: Tls | None = None,
    base_url: str = "",
    headers: RawHeaders = (),
    max_body: int = MAX_BODY,
    trust_env: bool = False,
    keep_connections: bool = True,
) -> httpx.Client:
    """An ``httpx.Client`` that needs at most ``timeout`` seconds for a whole call.

    It follows no redirects and refuses a response body of more than ``max_body`` bytes. A failed
    request raises an exception of httpx, of which ``failure.failure_of`` returns the reason.
    Raises ValueError if a file in ``tls`` cannot be used.
    """
    pool = ConnectionPool(
        tls or Tls(),
        trust_env=trust_env,
        max_body=max_body,
        max_idle=MAX_IDLE if keep_connections else 0,
    )
    return httpx.Client(
        transport=PoolTransport(pool),
        base_url=base_url,
        headers=[*headers],
        timeout=timeout,
        trust_env=False,
        follow_redirects=False,
    )


class PoolTransport(httpx.BaseTransport):
    """Sends the requests of an ``httpx.Client`` over a connection pool.

    The time limit of a call is the largest of the four timeouts that httpx sets for it. The
    response arrives whole, also with ``stream()``. Each exception is caused by a
    RequestFailedError:

    - ConnectError, ConnectTimeout, ProxyError and LocalProtocolError: the service received
      nothing.
    - WriteTimeout, ReadTimeout, ReadError, RemoteProtocolError and DecodingError: the service may
      have executed the request.
    """

    def __init__(self, sender: RequestSender) -> None:
        self._sender = sender

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        due = time.monotonic() + _time_limit(request)
        try:
            sent = _request_of(request)
            may_repeat = request.method in SAFE_METHODS
            response = self._sender.send(sent, due, may_repeat=may_repeat)
        except RequestFailedError as error:
            raise _httpx_error(error, request) from error
        return httpx.Response(
            response.status_code,
            headers=[*response.raw_headers],
            stream=httpx.ByteStream(response.content),
            request=request,
            extensions={"http_version": b"HTTP/1.1"},
        )

    def close(self) -> None:
        self._sender.close()


def _time_limit(request: httpx.Request) -> float:
    timeouts: Mapping[str, float | None] = request.extensions.get("timeout", {})
    seconds = [LONGEST_CALL if each is None else each for each in timeouts.values()]
    return min(max(seconds, default=LONGEST_CALL), LONGEST_CALL)


def _request_of(request: httpx.Request) -> Request:
    url = request.url
    if url.scheme not in ("http", "https") or not url.host:
        raise RequestFailedError("bad_request", "the URL is not an http or https URL", Step.PREPARE)
    port = url.port or (443 if url.scheme == "https" else 80)
    endpoint = Endpoint(Origin(url.raw_scheme, url.raw_host, port), url.netloc, url.raw_path)
    body = request.read()
    if request.headers.get_list("host") != [url.netloc.decode()]:
        detail = "the Host header is not the host of the URL"
        raise RequestFailedError("bad_request", detail, Step.PREPARE)
    kept = [each for each in request.headers.raw if each[0].lower() not in REPLACED]
    names = [name.decode("latin-1").lower() for name, _ in kept]
    refuse_headers(name for name in names if name not in SENT_BY_ENGINE)
    if names.count("x-request-id") > 1 or names.count("cache-control") > 1:
        raise RequestFailedError("bad_request", "a header is set twice", Step.PREPARE)
    headers = [(b"Host", endpoint.host_header), *kept, (b"Accept-Encoding", b"identity")]
    if "content-length" in request.headers or "transfer-encoding" in request.headers:
        headers.append((b"Content-Length", str(len(body)).encode()))
    request_id = request.headers.get("x-request-id", "").encode()
    return Request(request.method.encode(), endpoint, headers, body, request_id)


def _httpx_error(error: RequestFailedError, request: httpx.Request) -> httpx.RequestError:
    kind = _KINDS.get((error.step, error.reason), _OTHERWISE[error.step])
    return kind(f"{error.reason}: {error.detail}", request=request)


_KINDS: dict[tuple[Step, str], type[httpx.RequestError]] = {
    (Step.CONNECT, "deadline"): httpx.ConnectTimeout,
    (Step.CONNECT, "proxy"): httpx.ProxyError,
    (Step.SEND, "deadline"): httpx.WriteTimeout,
    (Step.RECEIVE, "deadline"): httpx.ReadTimeout,
    (Step.RECEIVE, "bad_http"): httpx.RemoteProtocolError,
    (Step.RECEIVE, "connection_lost"): httpx.RemoteProtocolError,
    (Step.RECEIVE, "content_encoding"): httpx.DecodingError,
}

_OTHERWISE: dict[Step, type[httpx.RequestError]] = {
    Step.PREPARE: httpx.LocalProtocolError,
    Step.CONNECT: httpx.ConnectError,
    Step.SEND: httpx.WriteError,
    Step.RECEIVE: httpx.ReadError,
}
