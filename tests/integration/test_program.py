"""The program as ejabberd starts it: one reply per packet, in order, and nothing else."""

import os
from pathlib import Path

import pytest

from extauth_http.protocol.packet_parser import frame
from tests.integration.plugins import plugins
from tests.integration.program import (
    ALLOW,
    DENY,
    UNDECIDED,
    Program,
    auth,
    isuser,
    rest,
    setpass,
)
from tests.integration.service import Request, Service, http


def by_password(request: Request, connection: object) -> None:
    """Allows the password ``right``, and every request without a password."""
    right = request.json().get("password", "right") == "right"
    connection.sendall(http(200, "true" if right else "false"))  # type: ignore[attr-defined]


def test_packets_are_answered_wherever_their_bytes_are_split(tmp_path: Path) -> None:
    stream = auth("right") + auth("wrong") + isuser()
    with Service(by_password) as service, Program(tmp_path, rest(service.url)) as program:
        for split in range(1, len(stream)):
            program.write(stream[:split])
            program.write(stream[split:])
            assert [program.read() for _ in range(3)] == [ALLOW, DENY, ALLOW]
        for byte in stream:
            program.write(bytes([byte]))
        assert [program.read() for _ in range(3)] == [ALLOW, DENY, ALLOW]


def test_many_packets_in_one_write_are_answered_in_order(tmp_path: Path) -> None:
    passwords = ["right", "wrong", "wrong", "right", "wrong"] * 40
    with Service(by_password) as service, Program(tmp_path, rest(service.url)) as program:
        program.write(b"".join(map(auth, passwords)))
        answers = [program.read() for _ in passwords]
    assert answers == [ALLOW if password == "right" else DENY for password in passwords]


@pytest.mark.parametrize(
    "password", ["a:b::c", ":", "😀 päss", "x" * 60_000, '"}\\u0000{"', "a\nb", " ", "=> allow"]
)
def test_any_password_arrives_unchanged(tmp_path: Path, password: str) -> None:
    with Service() as service, Program(tmp_path, rest(service.url)) as program:
        assert program.ask(auth(password)) == ALLOW
        assert service.requests[0].json() == {
            "user": "alice",
            "host": "example.org",
            "password": password,
        }


def test_packets_before_the_end_of_input_are_answered(tmp_path: Path) -> None:
    with Service() as service, Program(tmp_path, rest(service.url)) as program:
        program.write(auth() * 50)
        program.close_input()
        assert [program.read() for _ in range(50)] == [ALLOW] * 50
        assert program.read() == b""
        assert program.wait() == 0


@pytest.mark.parametrize(
    "does",
    ["print", "sys.__stdout__", "os.write", "os.system", "subprocess", "stdin", "import", "stderr"],
)
def test_only_replies_are_written_to_standard_output(tmp_path: Path, does: str) -> None:
    environment = plugins(tmp_path)
    config = f'[backend]\nkind = "noisy"\ndoes = "{does}"\n'
    with Program(tmp_path, config, environment=environment) as program:
        for password in ("right", "wrong", "right"):
            answer = program.ask(auth(password))
            assert answer == (ALLOW if password == "right" else DENY)
        program.close_input()
        assert program.read() == b""
        if does != "stdin":
            assert "noise" in program.stderr()


def test_a_refused_setpass_is_a_failure(tmp_path: Path) -> None:
    with Service(by_password) as service, Program(tmp_path, rest(service.url)) as program:
        assert program.ask(setpass("wrong")) == UNDECIDED
        assert program.ask(setpass("right")) == ALLOW
        assert program.reasons(2) == ["denied", "allowed"]


def test_the_boolean_dialect_has_only_two_replies(tmp_path: Path) -> None:
    config = rest("http://127.0.0.1:1/", top='dialect = "boolean"')
    with Program(tmp_path, config) as program:
        assert program.ask(auth()) == DENY
        assert program.ask(setpass()) == DENY
        assert program.logged(count=2)[0]["verdict"] == "undecided"


def test_an_event_holds_command_and_answer_and_no_credential(
    tmp_path: Path,
) -> None:
    with Service(by_password) as service, Program(tmp_path, rest(service.url)) as program:
        program.ask(auth("hunter2"))
        (event,) = program.logged()
        request = service.requests[0]
    assert event.pop("ms") > 0
    assert event.pop("time").endswith("Z")
    assert event == {
        "event": "answer",
        "level": "info",
        "operation": "auth",
        "user": "alice",
        "host": "example.org",
        "verdict": "deny",
        "reason": "denied",
        "backend": "rest",
        "status": 200,
        "request": request.headers["x-request-id"],
        "pid": program.process.pid,
    }
    assert request.headers["cache-control"] == "no-store"
    assert "hunter2" not in program.log_file.read_text() + program.stderr()


def test_a_host_without_a_backend_is_refused_with_a_reason(tmp_path: Path) -> None:
    with Service() as service:
        config = rest(service.url).replace("[backend]", '[hosts."b.example".backend]')
        with Program(tmp_path, config) as program:
            assert program.ask(auth(host="b.example")) == ALLOW
            assert program.ask(auth(host="example.org")) == DENY
            assert program.reasons(2) == ["allowed", "unknown_host"]
            assert len(service.requests) == 1


def test_an_empty_password_is_refused_without_a_request(tmp_path: Path) -> None:
    with Service() as service, Program(tmp_path, rest(service.url)) as program:
        assert program.ask(auth("")) == DENY
        assert program.ask(setpass("")) == UNDECIDED
        assert program.reasons(2) == ["empty_password"] * 2
        assert service.requests == []


def test_pool_members_share_a_log_file_without_mixing_lines(tmp_path: Path) -> None:
    with Service() as service:
        folders = [tmp_path / str(number) for number in range(4)]
        for folder in folders:
            folder.mkdir()
        log = tmp_path / "log"
        config = rest(service.url)
        programs = [Program(folder, config, log=log) for folder in folders]
        for program in programs:
            program.write(auth() * 200)
        for program in programs:
            assert [program.read() for _ in range(200)] == [ALLOW] * 200
        events = programs[0].logged(count=800)
        for program in programs:
            program.__exit__()
    assert {event["pid"] for event in events} == {program.process.pid for program in programs}
    assert True in {event.get("queued") for event in events}


def test_a_renamed_log_file_is_created_again(tmp_path: Path) -> None:
    with Service() as service, Program(tmp_path, rest(service.url)) as program:
        program.ask(auth())
        program.logged(count=1)
        os.rename(program.log_file, tmp_path / "log.1")
        program.ask(auth())
        assert len(program.logged(count=1)) == 1


MALFORMED = {
    b"": "empty_packet",
    b"login:a:h:pw": "unknown_operation",
    b"AUTH:a:h:pw": "unknown_operation",
    b"auth:alice": "too_few_fields",
    b"isuser:a:h:x": "too_many_fields",
    b"auth:Alice:h:pw": "upper_case",
    b"auth:\xff:h:pw": "not_utf8",
    b"auth:a\0b:h:pw": "control_character",
    b"auth:a\nb:h:pw": "control_character",
    b"auth:a:h:p\0w": "control_character",
}


def test_malformed_packets_are_refused_and_the_stream_goes_on(tmp_path: Path) -> None:
    with Service() as service, Program(tmp_path, rest(service.url)) as program:
        for payload in MALFORMED:
            assert program.ask(frame(payload)) == DENY
            assert program.ask(auth()) == ALLOW
        events = program.logged(count=2 * len(MALFORMED))
    assert [event["reason"] for event in events[::2]] == list(MALFORMED.values())
    assert len(program.log_file.read_text().splitlines()) == len(events) + 1


def test_an_input_that_ends_inside_a_packet_is_logged(tmp_path: Path) -> None:
    with Service() as service, Program(tmp_path, rest(service.url)) as program:
        assert program.ask(auth()) == ALLOW
        program.write(auth()[:-3])
        program.close_input()
        assert program.wait() == 0
        (event,) = program.logged("input_cut_off")
        assert event["level"] == "warning"
        assert program.read() == b""
