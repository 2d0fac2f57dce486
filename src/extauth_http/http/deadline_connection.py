"""One connection to a service: a request out, its response in, every step before one deadline.

``ResponseParser`` decides what the bytes of a response mean. This file maps the exceptions of
sockets and of TLS to reasons. No other file does.
"""

import contextlib
import errno
import select
import socket
import ssl
import time
from collections.abc import Sequence

from extauth_http.http.failure import RequestFailedError, Step
from extauth_http.http.name_lookup import Address, look_up
from extauth_http.http.response_parser import MAX_BODY, ResponseParser

IDLE_SECONDS = 30.0
"""How long an unused connection is kept. Firewalls forget idle connections without notice. The
next request on such a connection would wait until its deadline."""

READ_BYTES = 65_536

UNIX_RETRY_SECONDS = 0.01
"""The pause between two attempts to connect to a Unix socket whose queue is full."""


class NoResponseError(Exception):
    """The service closed the connection before the first byte of a response."""


class Connection:
    """One TCP or TLS connection.

    Every step ends at ``due``, a time of ``time.monotonic()``. A step that cannot raises
    RequestFailedError with the reason ``deadline``.
    """

    def __init__(self, due: float, max_body: int = MAX_BODY) -> None:
        self.due = due
        self.is_reusable = False
        """Whether another request may follow the last response."""
        self._max_body = max_body
        self._has_received = False
        self._is_tls = False
        self._idle_until = 0.0
        self._socket: socket.socket | ssl.SSLSocket | None = None

    def connect(self, host: str, port: int) -> None:
        """Raises RequestFailedError: ``name_not_found``, ``connect_refused``, ``connect_failed``,
        ``deadline``."""
        addresses = self._look_up(host, port)
        for number, address in enumerate(addresses):
            # Each address gets an equal share of the time left. An address that drops packets
            # then leaves time for the others.
            share = self._time_left(Step.CONNECT, "connecting") / (len(addresses) - number)
            try:
                self._socket = _connected(address, share)
            except OSError as error:
                if number + 1 == len(addresses):
                    raise _connect_failed(error, f"{host} port {port}") from None
            else:
                return
        raise RequestFailedError("name_not_found", f"{host} has no address", Step.CONNECT)

    def connect_unix(self, path: str) -> None:
        """Raises RequestFailedError: ``connect_refused``, ``connect_failed``, ``deadline``."""
        where = f"the socket {path}"
        connection = socket.socket(socket.AF_UNIX)
        self._socket = connection
        while True:
            connection.settimeout(self._time_left(Step.CONNECT, f"connecting to {where}"))
            try:
                return connection.connect(path)
            except BlockingIOError:
                # The queue of the listening socket is full (connect(2)).
                time.sleep(UNIX_RETRY_SECONDS)
            except OSError as error:
                raise _connect_failed(error, where) from None

    def _look_up(self, host: str, port: int) -> Sequence[Address]:
        try:
            return look_up(host, port, self._time_left(Step.CONNECT, "looking up the name"))
        except TimeoutError:
            raise _deadline("looking up the name", Step.CONNECT) from None
        except (socket.gaierror, UnicodeError) as error:
            known = isinstance(error, socket.gaierror) and error.strerror
            detail = f"{host}: {known or 'not a host name'}"
            raise RequestFailedError("name_not_found", detail, Step.CONNECT) from None
        except RuntimeError:
            detail = "the system cannot start another thread"
            raise RequestFailedError("connect_failed", detail, Step.CONNECT) from None

    def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Raises RequestFailedError: ``tls`` if the certificate is not a trusted one of ``host``,
        ``deadline``."""
        plain = self._connected_socket()
        plain.settimeout(self._time_left(Step.CONNECT, "starting TLS"))
        try:
            self._socket = context.wrap_socket(plain, server_hostname=host)
        except TimeoutError:
            raise _deadline("starting TLS", Step.CONNECT) from None
        except ssl.SSLCertVerificationError as error:
            detail = f"{host}: {error.verify_message}"
            raise RequestFailedError("tls", detail, Step.CONNECT) from None
        except OSError as error:
            detail = f"{host}: {_symbol(error)}"
            raise RequestFailedError("tls", detail, Step.CONNECT) from None
        self._is_tls = True

    def send(self, request: bytes, *, head_only: bool = False) -> ResponseParser:
        """Sends a whole request and returns its whole response.

        With ``head_only`` the response has no body, whatever its headers announce (a response to
        HEAD, or to CONNECT). Raises NoResponseError, and RequestFailedError: ``connection_lost``,
        ``bad_http``, ``too_large``, ``tls``, ``deadline``.
        """
        self._has_received = False
        self.is_reusable = False
        response = ResponseParser(head_only, self._max_body)
        try:
            self._write(request)
            self._read_response(response)
        except RequestFailedError as error:
            error.status = response.status or None
            raise
        finally:
            response.release()
        if response.is_complete:
            self.is_reusable = response.allows_reuse
            self._idle_until = time.monotonic() + IDLE_SECONDS
        return response

    @property
    def is_too_old(self) -> bool:
        """Whether the connection was unused for too long."""
        return time.monotonic() > self._idle_until

    def is_alive(self) -> bool:
        """Whether a kept connection can be used again.

        It cannot if it is too old, was closed by the service, or has bytes to read: a response
        that no request asked for would be taken as the response to the next request.
        """
        if self.is_too_old:
            return False
        poll = select.poll()
        poll.register(self._connected_socket(), select.POLLIN)
        return not poll.poll(0)

    def has_unasked_bytes(self) -> bool:
        """Whether the service has sent something on a connection that is not in use."""
        connection = self._connected_socket()
        connection.settimeout(0)
        try:
            return bool(connection.recv(1))
        except OSError:
            return False

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()

    def _write(self, request: bytes) -> None:
        connection = self._connected_socket()
        sent = 0
        try:
            # sendall of a TLS socket starts its timeout again with each record.
            while sent < len(request):
                connection.settimeout(self._time_left(Step.SEND, "sending the request"))
                sent += connection.send(memoryview(request)[sent:] if sent else request)
            if self._is_tls:
                # OpenSSL may need several segments until a read returns the first byte.
                self._acknowledge_at_once()
        except TimeoutError:
            raise _deadline("sending the request", Step.SEND) from None
        except OSError:
            pass  # The service may have sent a response before it closed the connection.

    def _read_response(self, response: ResponseParser) -> None:
        while True:
            data = self._read()
            if data:
                self._has_received = True
                response.feed(data)
            elif not self._has_received:
                raise NoResponseError
            elif not response.ends_with_connection:
                detail = "the connection ended in the middle of the response"
                raise RequestFailedError("connection_lost", detail, Step.RECEIVE)
            else:
                return
            if response.is_complete:
                return
            self._acknowledge_at_once()

    def _read(self) -> bytes:
        connection = self._connected_socket()
        connection.settimeout(self._time_left(Step.RECEIVE, "waiting for the response"))
        try:
            return connection.recv(READ_BYTES)
        except TimeoutError:
            raise _deadline("waiting for the response", Step.RECEIVE) from None
        except OSError as error:
            raise self._read_failed(error) from None

    def _read_failed(self, error: OSError) -> Exception:
        if self._has_received:
            detail = f"in the middle of the response: {_symbol(error)}"
            return RequestFailedError("connection_lost", detail, Step.RECEIVE)
        if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
            # A TLS 1.3 server refuses a client certificate only after the handshake.
            return RequestFailedError("tls", _symbol(error), Step.RECEIVE)
        return NoResponseError()

    def _acknowledge_at_once(self) -> None:
        """Sends the acknowledgement of what was received. Linux delays it by 40 ms.

        Some services send headers and body in two segments and leave Nagle's algorithm on (JDK
        HttpServer, Python http.server): the second segment waits for the acknowledgement of the
        first. The option is not permanent (tcp(7)). It costs a packet, 5 µs on loopback, so it is
        not set for a response that arrives in one segment.
        """
        with contextlib.suppress(OSError):  # The next read raises it.
            connection = self._connected_socket()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _time_left(self, step: Step, activity: str) -> float:
        left = self.due - time.monotonic()
        if left <= 0:
            raise _deadline(activity, step)
        return left

    def _connected_socket(self) -> socket.socket | ssl.SSLSocket:
        assert self._socket is not None, "connect() comes first"  # noqa: S101
        return self._socket


def _connected(address: Address, seconds: float) -> socket.socket:
    family, kind, protocol, _, where = address
    connection = socket.socket(family, kind, protocol)
    try:
        connection.settimeout(seconds)
        connection.connect(where)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        connection.close()
        raise
    return connection


def _deadline(activity: str, step: Step) -> RequestFailedError:
    return RequestFailedError("deadline", f"no time was left while {activity}", step)


def _connect_failed(error: OSError, where: str) -> RequestFailedError:
    if isinstance(error, TimeoutError):
        return _deadline(f"connecting to {where}", Step.CONNECT)
    if isinstance(error, ConnectionRefusedError):
        return RequestFailedError("connect_refused", f"nothing listens at {where}", Step.CONNECT)
    if isinstance(error, FileNotFoundError):  # A service that restarts can make its socket again.
        return RequestFailedError("connect_refused", f"{where}: does not exist", Step.CONNECT)
    return RequestFailedError("connect_failed", f"{where}: {_symbol(error)}", Step.CONNECT)


def _symbol(error: OSError) -> str:
    """The symbol of an error. The text of a library may quote what was sent."""
    if isinstance(error, ssl.SSLError):
        return error.reason or "TLS failed"
    return errno.errorcode.get(error.errno or 0, type(error).__name__)
