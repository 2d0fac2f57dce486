"""The response that a backend gets: its headers, its text, and what is shown of it."""

import pytest

from extauth_http.http.response import Headers, Response
from extauth_http.protocol.verdict import UndecidedError


def test_a_response_shows_only_its_status() -> None:
    """The response of a token endpoint is a credential."""
    response = Response(200, [(b"x-token", b"hunter2")], b'{"access_token": "hunter2"}')
    assert repr(response) == "Response(status_code=200)"
    assert "hunter2" not in repr(response.headers)


def test_upper_and_lower_case_are_the_same_in_header_names() -> None:
    headers = Headers([(b"x-owner", b"alice"), (b"X-OTHER", b"1")])
    assert headers["X-Owner"] == headers["x-owner"] == "alice"
    assert (headers.get("x-none"), "X-Other" in headers, "X-None" in headers) == (None, True, False)
    assert list(headers) == ["x-owner", "x-other"]
    assert len(headers) == 2


@pytest.mark.parametrize(
    ("values", "joined"),
    [
        ([b"alice"], "alice"),
        ([b"alice", b"alice"], "alice"),
        ([b"alice", b"bob"], "alice, bob"),
        ([b"alice", b""], "alice, "),
        (["jürgen".encode()], "jürgen"),
        ([b"j\xfcrgen"], "jürgen"),
        ([], None),
    ],
)
def test_different_values_of_one_header_cannot_be_taken_for_one(
    values: list[bytes], joined: str | None
) -> None:
    others = [(b"x-other", b"\xff"), (b"x-another", "é".encode())]
    headers = Headers([*others, *[(b"x-owner", value) for value in values]])
    assert headers.get("X-Owner") == joined


def test_text_is_utf_8_and_other_bytes_are_visible() -> None:
    assert Response(200, content="jürgen".encode()).text == "jürgen"
    assert Response(200, content=b"OK\xff").text == "OK\ufffd"


@pytest.mark.parametrize(
    ("content_type", "shown"),
    [
        (b"text/html; charset=utf-8", "text/html"),
        (b"TEXT/HTML;charset=hunter2", "text/html"),
        (b"", "no content type"),
        (b"application/hunter2", "another content type"),
        (b"x" * 100_000, "another content type"),
        (b"text/\x9b31m", "another content type"),
        (b"text/\x85html", "another content type"),
    ],
)
def test_the_log_gets_known_content_types_alone_because_another_one_may_hold_anything(
    content_type: bytes, shown: str
) -> None:
    with pytest.raises(UndecidedError) as caught:
        Response(200, [(b"content-type", content_type)], b"<html>").json()
    assert caught.value.detail == f"status 200, body is not JSON ({shown})"
