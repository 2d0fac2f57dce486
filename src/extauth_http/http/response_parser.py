"""TODO."""

from collections.abc import Sequence

import httptools

from extauth_http.protocol.verdict import UndecidedError

MAX_BODY = 256 * 1024
"""Bytes of an answer's body that are read; a longer one is no answer."""

MAX_RECEIVED = 2 * MAX_BODY
"""Bytes of an answer with everything around its body: status, headers, marks of chunks."""

Headers = Sequence[tuple[bytes, bytes]]


class ResponseParser:
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
                raise UndecidedError("bad_http", "what the service sent is not HTTP/1.1") from None
        if self._size > MAX_BODY or self._received > MAX_RECEIVED:
            raise UndecidedError("too_large", f"the answer is longer than {MAX_BODY} bytes")

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
