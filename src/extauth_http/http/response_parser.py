"""The bytes of a response → status, headers and body.

llhttp, the parser of Node.js, decides what the bytes mean (through httptools, in its strict mode).
"""

from collections.abc import Sequence

import httptools

from extauth_http.http.failure import RequestFailedError, Step

MAX_BODY = 256 * 1024
"""Bytes of a response body that a backend accepts unless its caller sets another limit."""

RawHeaders = Sequence[tuple[bytes, bytes]]
"""Header names and values as they are sent or were received, in order."""


class ResponseParser:
    """One response: ``status``, ``headers`` with names in lower case, and ``body()``.

    The body has at most ``max_body`` bytes. The whole response, with status line, headers and
    chunk sizes, has at most twice as many.
    """

    def __init__(self, head_only: bool, max_body: int = MAX_BODY) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.is_complete = False
        self.has_more = False
        """Whether bytes followed that belong to no request."""
        self._head_only = head_only
        self._max_body = max_body
        self._has_head = False
        self._is_http_1_0 = False
        self._body: list[bytes] = []
        self._body_size = 0
        self._received = 0
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Takes the next bytes of the response. Raises RequestFailedError: ``bad_http``,
        ``too_large``."""
        self._received += len(data)
        try:
            if self._parser:
                self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.has_more = True
            if not self.is_complete:
                detail = "the response is not HTTP/1.1"
                raise RequestFailedError("bad_http", detail, Step.RECEIVE) from None
        if self._body_size > self._max_body or self._received > 2 * self._max_body:
            detail = f"the response is longer than {self._max_body} bytes"
            raise RequestFailedError("too_large", detail, Step.RECEIVE)

    def body(self) -> bytes:
        return b"".join(self._body)

    def release(self) -> None:
        """Drops the parser: it refers to this object, and this object to it."""
        self._parser = None

    @property
    def ends_with_connection(self) -> bool:
        """Whether the body ends where the connection ends (RFC 9112 section 6.3)."""
        names = {name for name, _ in self.headers}
        return self._has_head and not names & {b"content-length", b"transfer-encoding"}

    @property
    def allows_reuse(self) -> bool:
        """Whether the service accepts another request on this connection, and sent no byte more
        than this response."""
        return not (
            self.has_more
            or self._head_only
            or self._is_http_1_0
            or any(
                name == b"connection" and b"close" in value.lower() for name, value in self.headers
            )
        )

    # httptools calls these methods.

    def on_message_begin(self) -> None:
        self.has_more = self.is_complete

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._has_head:
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        if self.is_complete or self._parser is None:
            return
        self.status = self._parser.get_status_code()
        self._is_http_1_0 = self._parser.get_http_version() != "1.1"
        if self.status < 200 and self.status != 101:
            self.headers.clear()  # An interim response; the final one follows.
        else:
            self._has_head = True
            self.is_complete = self._head_only

    def on_body(self, body: bytes) -> None:
        if not self.is_complete:
            self._body.append(body)
            self._body_size += len(body)

    def on_message_complete(self) -> None:
        self.is_complete = self._has_head
