"""Which bytes are a response, wherever the reads cut them."""

import pytest

from extauth_http.http.response_parser import MAX_BODY, ResponseParser
from extauth_http.protocol.verdict import UndecidedError

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
LENGTH = HEAD + b"Content-Length: 4\r\n\r\ntrue"
CHUNKS = (
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\ntr\r\n2;x=y\r\nue\r\n0\r\nX-Late: 1\r\n\r\n"
)
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + LENGTH


def parsed(*pieces: bytes, head_only: bool = False) -> ResponseParser:
    response = ResponseParser(head_only)
    for piece in pieces:
        response.feed(piece)
    response.release()
    return response


@pytest.mark.parametrize("data", [LENGTH, CHUNKS, INTERIM], ids=["length", "chunks", "interim"])
def test_a_response_is_the_same_wherever_it_is_cut(data: bytes) -> None:
    for cut in range(1, len(data)):
        response = parsed(data[:cut], data[cut:])
        assert (response.status, response.body(), response.is_complete) == (200, b"true", True)
        assert response.headers[0] == (b"content-type", b"application/json")
        assert {name for name, _ in response.headers}.isdisjoint({b"link", b"x-late"})
        assert response.allows_reuse
        assert not parsed(data[:cut]).is_complete


@pytest.mark.parametrize(
    ("data", "allows_reuse"),
    [
        (LENGTH, True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
        (LENGTH.replace(b"200 OK\r\n", b"200 OK\r\nConnection: Close\r\n"), False),
        (LENGTH.replace(b"1.1", b"1.0"), False),
        (LENGTH + b"\r\n" + LENGTH, False),
        (LENGTH + b"HTTP/1.1 200 OK\r\n", False),
        (LENGTH + b"rubbish", False),
    ],
)
def test_a_connection_is_reused_only_after_exactly_one_response(
    data: bytes, allows_reuse: bool
) -> None:
    response = parsed(data)
    assert (response.is_complete, response.allows_reuse) == (True, allows_reuse)
    assert response.body() in (b"true", b"")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "bad_http"),
        (b"HTTP/9.9 200 OK\r\n\r\n", "bad_http"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "bad_http"),
        (HEAD + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\ntrue", "bad_http"),
        (HEAD + b"Content-Length: -1\r\n\r\n", "bad_http"),
        (
            HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ntrue\r\n",
            "bad_http",
        ),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\ntrue\r\n", "bad_http"),
        (HEAD + b"No colon\r\n\r\n", "bad_http"),
        (HEAD + b"X: y\r\n folded\r\n\x00: z\r\n\r\n", "bad_http"),
        (HEAD + b"Content-Length: 999999\r\n\r\n" + b"x" * (MAX_BODY + 1), "too_large"),
        (HEAD + b"X: " + b"x" * (2 * MAX_BODY), "too_large"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 100_000, "too_large"),
    ],
)
def test_bytes_that_are_not_a_bounded_http_response_are_refused(data: bytes, reason: str) -> None:
    with pytest.raises(UndecidedError) as undecided:
        parsed(data)
    assert undecided.value.reason == reason


def test_a_response_to_head_has_no_body_whatever_its_headers_announce() -> None:
    response = parsed(HEAD + b"Content-Length: 4\r\n\r\n", head_only=True)
    assert (response.is_complete, response.body(), response.allows_reuse) == (True, b"", False)
