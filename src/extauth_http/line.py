"""One connection to a service: a request out, its answer in, every step before one time.

What an answer's bytes mean is said by llhttp, the parser of Node.js, through httptools: strict as
it comes. The exceptions of the socket, of TLS and of the parser become reasons here and nowhere
else.
"""

import errno
import select
import socket
import ssl
import time
from collections.abc import Sequence

import httptools

from extauth_http.verdict import Undecided

MAX_BODY = 256 * 1024
"""Bytes of an answer's body that are read; a longer one is no answer."""

MAX_RECEIVED = 2 * MAX_BODY
"""Bytes of an answer with everything around its body: status, headers, marks of chunks."""

IDLE_SECONDS = 30.0
"""How long an unused connection is kept. Longer, and a firewall may have forgotten it without a
word, which would cost the next login its whole deadline."""

READ_BYTES = 65_536

Headers = Sequence[tuple[bytes, bytes]]


class Unanswered(Exception):  # noqa: N818 - a state of the connection, not an error of the program
    """The connection turned out dead: not a byte of an answer came."""


class Line:
    """One TCP or TLS connection. Every step ends at ``due``, a time of ``time.monotonic()``; one
    that cannot raises Undecided with the reason ``deadline``."""

    def __init__(self, due: float) -> None:
        self.due = due
        self.may_be_kept = False
        """Whether another request may follow the last answer."""
        self._heard = False
        self._idle_until = 0.0
        self._socket: socket.socket | ssl.SSLSocket | None = None

    def connect(self, host: str, port: int) -> None:
        """Raises Undecided: ``name_not_found``, ``connect_refused``, ``connect_failed``."""
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
            connection = None
            try:
                connection = socket.socket(family, kind, protocol)
                connection.settimeout(share)
                connection.connect(address)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except BaseException as error:
                if connection:
                    connection.close()
                if not isinstance(error, OSError):
                    raise
                if number + 1 == len(found):
                    raise _connect_failed(error, f"{host} port {port}") from None
            else:
                self._socket = connection
                return
        raise Undecided("name_not_found", f"{host} has no address")

    def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Raises Undecided (``tls``) where the other side is not surely ``host``."""
        plain = self._connected()
        plain.settimeout(self._left("starting TLS"))
        try:
            self._socket = context.wrap_socket(plain, server_hostname=host)
        except ssl.SSLCertVerificationError as error:
            raise Undecided("tls", f"{host}: {error.verify_message}") from None
        except TimeoutError:
            raise Undecided("deadline", "no time was left while starting TLS") from None
        except ssl.SSLError as error:
            raise Undecided("tls", f"{host}: {error.reason or 'no TLS'}") from None
        except OSError as error:
            raise Undecided("tls", f"{host}: {_name(error)}") from None

    def ask(self, request: bytes, *, head_only: bool = False) -> "Incoming":
        """Sends a request in one piece, so that "not a byte was sent" and "all of it was" are the
        two cases there are, and takes in its whole answer; with ``head_only`` there is no body,
        whatever the headers say.

        Raises Unanswered, or Undecided: ``connection_lost``, ``bad_http``, ``too_large``, ``tls``.
        """
        self._heard = False
        self.may_be_kept = False
        answer = Incoming(head_only)
        try:
            self._send(request)
            while not answer.is_whole:
                data = self._receive()
                if data:
                    self._heard = True
                    answer.feed(data)
                elif not self._heard:
                    raise Unanswered
                elif not answer.ends_with_connection:
                    raise Undecided("connection_lost", "the answer ended in the middle")
                else:
                    return answer
        finally:
            answer.end()
        self.may_be_kept = answer.leaves_connection
        self._idle_until = time.monotonic() + IDLE_SECONDS
        return answer

    @property
    def is_too_old(self) -> bool:
        """Whether it was kept long enough."""
        return time.monotonic() > self._idle_until

    def is_alive(self) -> bool:
        """Whether a kept connection can be used again: not too old, and not a byte came unasked,
        nor its end."""
        if self.is_too_old:
            return False
        poll = select.poll()
        poll.register(self._connected(), select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()

    def _send(self, request: bytes) -> None:
        connection = self._connected()
        connection.settimeout(self._left("sending the request"))
        try:
            connection.sendall(request)
        except TimeoutError:
            raise Undecided("deadline", "no time was left while sending the request") from None
        except OSError:
            pass  # what the service said before it closed is still to be read, and tells why

    def _receive(self) -> bytes:
        connection = self._connected()
        connection.settimeout(self._left("waiting for the answer"))
        try:
            return connection.recv(READ_BYTES)
        except TimeoutError:
            raise Undecided("deadline", "no time was left while waiting for the answer") from None
        except OSError as error:
            raise self._lost(error) from None

    def _left(self, doing: str) -> float:
        left = self.due - time.monotonic()
        if left <= 0:
            raise Undecided("deadline", f"no time was left while {doing}")
        return left

    def _lost(self, error: OSError) -> Exception:
        if self._heard:
            return Undecided("connection_lost", f"in the middle of the answer: {_name(error)}")
        if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
            # With TLS 1.3 a refused client certificate shows only here.
            return Undecided("tls", error.reason or "TLS failed")
        return Unanswered()

    def _connected(self) -> socket.socket | ssl.SSLSocket:
        assert self._socket is not None, "a line is connected before it is used"  # noqa: S101
        return self._socket


class Incoming:
    """An answer as it comes in: ``status``, ``headers`` with lower-case names, and ``body()``."""

    def __init__(self, head_only: bool) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.is_whole = False
        self._head_only = head_only
        self._has_head = False
        self._has_more = False
        self._is_http_1_0 = False
        self._body: list[bytes] = []
        self._size = 0
        self._received = 0
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Takes in what was read. Raises Undecided: ``bad_http``, ``too_large``."""
        self._received += len(data)
        try:
            if self._parser:
                self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._has_more = True
            if not self.is_whole:
                raise Undecided("bad_http", "what the service sent is not HTTP/1.1") from None
        if self._size > MAX_BODY or self._received > MAX_RECEIVED:
            raise Undecided("too_large", f"the answer is longer than {MAX_BODY} bytes")

    def body(self) -> bytes:
        return b"".join(self._body)

    def end(self) -> None:
        """Lets go of the parser: it and this hold each other."""
        self._parser = None

    @property
    def ends_with_connection(self) -> bool:
        """Whether the end of the connection is where the body ends."""
        names = {name for name, _ in self.headers}
        return self._has_head and not names & {b"content-length", b"transfer-encoding"}

    @property
    def leaves_connection(self) -> bool:
        """Whether the service will take another request, as far as it said."""
        return not (
            self._has_more
            or self._head_only
            or self._is_http_1_0
            or any(
                name == b"connection" and b"close" in value.lower() for name, value in self.headers
            )
        )

    # What the parser calls.

    def on_message_begin(self) -> None:
        self._has_more = self.is_whole

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._has_head:
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        if self.is_whole or self._parser is None:
            return
        self.status = self._parser.get_status_code()
        self._is_http_1_0 = self._parser.get_http_version() != "1.1"
        if self.status < 200 and self.status != 101:
            self.headers.clear()  # an interim answer; the real one follows
        else:
            self._has_head = True
            self.is_whole = self._head_only

    def on_body(self, body: bytes) -> None:
        if not self.is_whole:
            self._body.append(body)
            self._size += len(body)

    def on_message_complete(self) -> None:
        self.is_whole = self._has_head


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
