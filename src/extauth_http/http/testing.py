"""For tests of a backend: an HttpClient whose requests go to an httpx transport.

The transport is an ``httpx.MockTransport`` in most tests. No connection is opened.
"""

import time

import httpx

from extauth_http.config.backend import BackendSettings
from extauth_http.http.client import HttpClient, HttpClientFactory
from extauth_http.http.failure import RequestFailedError, Step
from extauth_http.http.request import Request
from extauth_http.http.response import Response
from extauth_http.protocol.command import Command


def http_client(
    transport: httpx.BaseTransport,
    settings: BackendSettings,
    command: Command,
    *,
    seconds: float = 8.0,
) -> HttpClient:
    """The HttpClient that a backend with these settings gets for a command.

    ``seconds`` is the time until the deadline. If the transport raises an exception of httpx, the
    backend gets the RequestFailedError that it stands for: ``connect_failed`` for
    ``httpx.ConnectError``, ``deadline`` for ``httpx.ReadTimeout``.
    """
    factory = HttpClientFactory(settings, lambda _: _TransportSender(transport))
    return factory.for_command(command, time.monotonic() + seconds, "test-request")


class _TransportSender:
    """Sends requests through an httpx transport."""

    def __init__(self, transport: httpx.BaseTransport) -> None:
        self._transport = transport

    def send(self, request: Request, due: float, *, may_repeat: bool) -> Response:
        if due <= time.monotonic():
            raise RequestFailedError("deadline", "no time was left", Step.CONNECT)
        endpoint = request.endpoint
        scheme = "http" if endpoint.origin.socket_path else endpoint.origin.scheme.decode()
        url = f"{scheme}://{endpoint.host_header.decode()}"
        asked = httpx.Request(
            request.method.decode(),
            httpx.URL(url).copy_with(raw_path=endpoint.target),
            headers=[*request.headers],
            content=request.body,
        )
        try:
            response = self._transport.handle_request(asked)
            content = response.read()
        except httpx.TransportError as error:
            raise _failure(error) from None
        headers = [(name.lower(), value) for name, value in response.headers.raw]
        return Response(response.status_code, headers, content)

    def close(self) -> None:
        self._transport.close()


def _failure(error: httpx.TransportError) -> RequestFailedError:
    for kind, (reason, step) in _FAILURES.items():
        if isinstance(error, kind):
            return RequestFailedError(reason, f"the transport raised {type(error).__name__}", step)
    raise error


_FAILURES: dict[type[httpx.TransportError], tuple[str, Step]] = {
    httpx.ConnectTimeout: ("deadline", Step.CONNECT),
    httpx.WriteTimeout: ("deadline", Step.SEND),
    httpx.TimeoutException: ("deadline", Step.RECEIVE),
    httpx.ProxyError: ("proxy", Step.CONNECT),
    httpx.ConnectError: ("connect_failed", Step.CONNECT),
    httpx.LocalProtocolError: ("bad_request", Step.PREPARE),
    httpx.RemoteProtocolError: ("bad_http", Step.RECEIVE),
    httpx.TransportError: ("connection_lost", Step.RECEIVE),
}
"""What an exception of a transport stands for; the first kind that fits counts."""
