"""Nothing that a user types leaves its place in a request, as a real server reads it."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest
import uvicorn
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from extauth_http.backends.request_tables import RequestTable
from extauth_http.protocol.command import Command, Operation
from tests.decide import decide

TEXT = st.text(min_size=1, max_size=40)
NAME = TEXT.filter(lambda text: "\0" not in text)
PLACES: dict[str, dict[str, Any]] = {
    "path": {"path": "p/{user}/{host}"},
    "query": {"query": {"a": "x{user}y", "b": "{host}", "c": "{password}"}},
    "form": {"form": {"a": "x{user}y", "b": "{host}", "c": "{password}"}},
    "json": {"json": {"a": "x{user}y", "deep": [{"b": "{host}"}], "c": "{password}", "n": 1}},
    "headers": {"headers": {"X-A": "x{user}y", "X-B": "{host}", "X-C": "{password}"}},
}


async def _echo(request: Request) -> JSONResponse:
    body = await request.body()
    kind = request.headers.get("content-type", "")
    raw = {name: value for name, value in request.scope["headers"] if name.startswith(b"x-")}
    return JSONResponse(
        {
            "path": [unquote(each) for each in request.scope["raw_path"].decode().split("/")[1:]],
            "query": parse_qsl(request.url.query, keep_blank_values=True),
            "form": parse_qsl(body.decode(), keep_blank_values=True) if "form" in kind else None,
            "json": json.loads(body) if "json" in kind else None,
            "headers": {name.decode(): value.hex() for name, value in raw.items()},
            "result": True,
        }
    )


@pytest.fixture(scope="module")
def echo() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The URL of a real server, and what it read of each request."""
    seen: list[dict[str, Any]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await _echo(Request(scope, receive))
        seen.append(json.loads(bytes(response.body)))
        await response(scope, receive, send)

    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}", seen
    server.should_exit = True
    thread.join(10)


@pytest.mark.parametrize("place", PLACES)
@given(user=NAME, host=NAME, password=NAME)
@example(user="..", host="example.org", password="p")
@example(user="a/../b", host="x\\..", password=" p ")
@example(user="{host}", host="{{user}}", password="{password}")
@example(user='","admin":"', host="a&user=admin", password="a\r\nX-Admin: yes")
@example(user="%2e%2e", host="a?b#c", password="a;b+c d")
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_server_reads_back_exactly_what_was_put_in(
    echo: tuple[str, list[dict[str, Any]]], place: str, user: str, host: str, password: str
) -> None:
    url, seen = echo
    seen.clear()
    table = PLACES[place]
    decision = decide(
        Command(Operation.AUTH, user, host, password),
        kind="rest",
        url=url,
        operations={"auth": table if place != "headers" else {**table, "json": {"u": "{user}"}}},
    )
    if decision.answer.reason == "unsafe_name":
        assert seen == []
        return
    assert decision.answer.reason == "allowed"
    (found,) = seen
    marked = f"x{user}y"
    if place == "path":
        assert found["path"] == ["p", user, host]
    elif place == "json":
        expected = {"a": marked, "deep": [{"b": host}], "c": password, "n": 1}
        assert found["json"] == expected
    elif place == "headers":
        read = {name: bytes.fromhex(value).decode() for name, value in found["headers"].items()}
        assert {name: read[name] for name in ("x-a", "x-b", "x-c")} == {
            "x-a": marked,
            "x-b": host,
            "x-c": password,
        }
    else:
        assert found[place] == [["a", marked], ["b", host], ["c", password]]


@pytest.mark.parametrize("value", [".", "..", "a/../b", "../admin", "..\\admin", "a/."])
def test_a_step_in_a_path_is_refused_however_a_server_decodes_it(value: str) -> None:
    decision = decide(
        Command(Operation.ISUSER, value, "example.org"),
        kind="rest",
        url="http://127.0.0.1:1",
        operations={"isuser": {"path": "u/{user}"}},
    )
    assert decision.answer.reason == "unsafe_name"


@pytest.mark.parametrize("value", [" p", "p ", "\tp", "a\nb", "a\rb", "a\x7fb", "a\x01b"])
def test_a_value_that_a_header_cannot_hold_is_refused(value: str) -> None:
    decision = decide(
        Command(Operation.AUTH, "alice", "example.org", value),
        kind="rest",
        url="http://127.0.0.1:1",
        operations={"auth": {"headers": {"X-User": "{user}", "X-Token": "{password}"}}},
    )
    assert decision.answer.reason == "unsafe_name"


@pytest.mark.parametrize(
    ("table", "error"),
    [
        ({"form": {"a": "b"}, "json": {"a": "b"}}, "form or json, not both"),
        ({"method": "GET", "form": {"a": "b"}}, "a GET request has no body"),
        ({"method": "GET", "json": {}}, "a GET request has no body"),
        ({"method": "TRACE"}, "Input should be 'GET', 'POST'"),
        ({"query": {"a": 1}}, "expected a table of texts"),
        ({"headers": {"X-A": 1}}, "X-A: expected a text"),
        ({"headers": {"X A": "b"}}, "'X A' is not the name of a header"),
        ({"headers": {"X-A": "1", "x-a": "2"}}, "a header is set twice"),
        ({"headers": {"host": "b"}}, "host: extauth-http sets this header itself"),
        ({"headers": {"CONTENT-LENGTH": "1"}}, "sets this header itself"),
        ({"headers": {"Transfer-Encoding": "chunked"}}, "sets this header itself"),
        ({"headers": {"Connection": "close"}}, "sets this header itself"),
        ({"headers": {"X-Request-ID": "1"}}, "sets this header itself"),
        ({"fields": {"user": "login"}}, "Extra inputs"),
        ({"body": "form"}, "Extra inputs"),
    ],
)
def test_a_request_that_cannot_be_sent_is_an_error(table: dict[str, Any], error: str) -> None:
    with pytest.raises(ValidationError, match=error):
        RequestTable.model_validate(table)
