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

from extauth_http.http.response_parser import ResponseParser
from extauth_http.protocol.verdict import UndecidedError

IDLE_SECONDS = 30.0
"""How long an unused connection is kept. Longer, and a firewall may have forgotten it without a
word, which would cost the next login its whole deadline."""

READ_BYTES = 65_536


class NoResponseError(Exception):
    """The connection turned out dead: not a byte of an answer came."""


class Connection:
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
            raise UndecidedError("name_not_found", f"{host}: {known or 'not a name'}") from None
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
        raise UndecidedError("name_not_found", f"{host} has no address")

    def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Raises Undecided (``tls``) where the other side is not surely ``host``."""
        plain = self._connected()
        plain.settimeout(self._left("starting TLS"))
        try:
            self._socket = context.wrap_socket(plain, server_hostname=host)
        except ssl.SSLCertVerificationError as error:
            raise UndecidedError("tls", f"{host}: {error.verify_message}") from None
        except TimeoutError:
            raise UndecidedError("deadline", "no time was left while starting TLS") from None
        except ssl.SSLError as error:
            raise UndecidedError("tls", f"{host}: {error.reason or 'no TLS'}") from None
        except OSError as error:
            raise UndecidedError("tls", f"{host}: {_name(error)}") from None

    def ask(self, request: bytes, *, head_only: bool = False) -> "ResponseParser":
        """Sends a request in one piece, so that "not a byte was sent" and "all of it was" are the
        two cases there are, and takes in its whole answer; with ``head_only`` there is no body,
        whatever the headers say.

        Raises Unanswered, or Undecided: ``connection_lost``, ``bad_http``, ``too_large``, ``tls``.
        """
        self._heard = False
        self.may_be_kept = False
        answer = ResponseParser(head_only)
        try:
            self._send(request)
            while not answer.is_whole:
                data = self._receive()
                if data:
                    self._heard = True
                    answer.feed(data)
                elif not self._heard:
                    raise NoResponseError
                elif not answer.ends_with_connection:
                    raise UndecidedError("connection_lost", "the answer ended in the middle")
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
            raise UndecidedError("deadline", "no time was left while sending the request") from None
        except OSError:
            pass  # what the service said before it closed is still to be read, and tells why

    def _receive(self) -> bytes:
        connection = self._connected()
        connection.settimeout(self._left("waiting for the answer"))
        try:
            return connection.recv(READ_BYTES)
        except TimeoutError:
            raise UndecidedError(
                "deadline", "no time was left while waiting for the answer"
            ) from None
        except OSError as error:
            raise self._lost(error) from None

    def _left(self, doing: str) -> float:
        left = self.due - time.monotonic()
        if left <= 0:
            raise UndecidedError("deadline", f"no time was left while {doing}")
        return left

    def _lost(self, error: OSError) -> Exception:
        if self._heard:
            return UndecidedError("connection_lost", f"in the middle of the answer: {_name(error)}")
        if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
            # With TLS 1.3 a refused client certificate shows only here.
            return UndecidedError("tls", error.reason or "TLS failed")
        return NoResponseError()

    def _connected(self) -> socket.socket | ssl.SSLSocket:
        assert self._socket is not None, "a line is connected before it is used"  # noqa: S101
        return self._socket


def _connect_failed(error: OSError, where: str) -> UndecidedError:
    if isinstance(error, TimeoutError):
        return UndecidedError("deadline", f"no time was left while connecting to {where}")
    if isinstance(error, ConnectionRefusedError):
        return UndecidedError("connect_refused", f"nothing listens at {where}")
    return UndecidedError("connect_failed", f"{where}: {_name(error)}")


def _name(error: OSError) -> str:
    """The error by its symbol, never by a library's text: that may quote what was sent."""
    if isinstance(error, ssl.SSLError):
        return error.reason or "TLS failed"
    return errno.errorcode.get(error.errno or 0, type(error).__name__)
