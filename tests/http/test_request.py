"""The bytes of a request: exactly the lines that were meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extauth_http.http.failure import RequestFailedError
from extauth_http.http.request import encode_body, serialize_request

HOST = (b"Host", b"service.example")


def test_a_request_is_its_lines_an_empty_line_and_its_body() -> None:
    headers = [HOST, (b"Content-Length", b"4"), (b"X-Empty", b""), (b"X", "é\t!".encode())]
    assert serialize_request(b"POST", b"/a?b=%20", headers, b"true") == (
        b"POST /a?b=%20 HTTP/1.1\r\nHost: service.example\r\nContent-Length: 4\r\nX-Empty: \r\n"
        b"X: \xc3\xa9\t!\r\n\r\ntrue"
    )


INJECTED = [b"\n", b"\r", b"\r\n", b"\0", b"\r\nX: y", b"\r\n\r\nGET / HTTP/1.1\r\n", b"\x7f"]


@pytest.mark.parametrize("text", INJECTED)
@pytest.mark.parametrize("place", ["method", "target", "name", "value"])
def test_a_text_that_would_begin_another_line_is_refused(text: bytes, place: str) -> None:
    parts = {"method": b"GET", "target": b"/x", "name": b"X-Own", "value": b"1"}
    for around in (b"%b", b"a%b", b"%bb", b"a%bb"):
        changed = {**parts, place: around % text}
        with pytest.raises(RequestFailedError) as caught:
            serialize_request(
                changed["method"],
                changed["target"],
                [HOST, (changed["name"], changed["value"])],
                b"",
            )
        assert caught.value.reason == "bad_request"
        assert not caught.value.may_have_arrived


@pytest.mark.parametrize(
    ("method", "target", "name"),
    [
        (b"", b"/x", b"X"),
        (b"GET /", b"/x", b"X"),
        (b"GET", b"", b"X"),
        (b"GET", b"/a b", b"X"),
        (b"GET", "/é".encode(), b"X"),
        (b"GET", b"/x", b""),
        (b"GET", b"/x", b"X Y"),
        (b"GET", b"/x", b"X:"),
        (b"GET", b"/x", "É".encode()),
    ],
)
def test_what_is_not_a_method_target_or_header_name_is_refused(
    method: bytes, target: bytes, name: bytes
) -> None:
    with pytest.raises(RequestFailedError):
        serialize_request(method, target, [HOST, (name, b"1")], b"")


ANY = st.binary(max_size=8) | st.sampled_from([*INJECTED, b"X: y\r\n", b": ", b" HTTP/1.1"])


@given(ANY, ANY, st.lists(st.tuples(ANY, ANY), max_size=4))
def test_what_is_sent_has_no_other_line_than_those_of_the_request(
    method: bytes, target: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    try:
        sent = serialize_request(method, target, headers, b"body")
    except RequestFailedError:
        return
    first, *lines, empty, body = sent.split(b"\r\n")
    assert first.split(b" ") == [method, target, b"HTTP/1.1"]
    assert [tuple(line.split(b": ", 1)) for line in lines] == headers
    assert (empty, body) == (b"", b"body")
    assert b"\n" not in sent.replace(b"\r\n", b"")


def test_a_body_is_a_form_or_json_or_nothing() -> None:
    form = b"a=%26%3D&b=%C3%A9"
    assert encode_body(None, {"a": "&=", "b": "é"}) == (form, b"application/x-www-form-urlencoded")
    assert encode_body({"a": "é"}, None) == ('{"a": "é"}'.encode(), b"application/json")
    assert encode_body(False, None) == (b"false", b"application/json")
    assert encode_body(None, None) == (b"", b"")
