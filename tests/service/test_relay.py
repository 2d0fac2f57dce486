"""A relay keeps every promise by itself, whatever the service behind it does."""

import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from extauth_http.protocol.command import Operation
from extauth_http.protocol.replies import REPLY_FAILURE, REPLY_FALSE, REPLY_TRUE, Dialect, reply
from extauth_http.protocol.verdict import Verdict
from extauth_http.service import relay
from tests.integration.program import ALLOW, DENY, UNDECIDED, auth, isuser, setpass
from tests.member import Behaviour, Behind, Member, until

READ, WRITE = auth(), setpass()


def sends(data: bytes) -> Behaviour:
    return lambda _, connection: connection.sendall(data)


def hangs(_: bytes, __: socket.socket) -> None:
    pass


def hangs_up(_: bytes, connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_RDWR)


def drips(_: bytes, connection: socket.socket) -> None:
    for byte in ALLOW:
        time.sleep(0.01)
        connection.sendall(bytes([byte]))


def test_its_own_answers_are_those_of_the_protocol() -> None:
    for dialect in Dialect:
        for operation in Operation:
            expected = reply(Verdict.UNDECIDED, operation, dialect)
            assert relay.UNDECIDED[dialect.value] == expected
    assert set(relay.ANSWERS) == {REPLY_FALSE, REPLY_TRUE, REPLY_FAILURE}
    assert {name.decode() for name in relay.READS} == {
        f"{operation.value}:" for operation in Operation if not operation.is_write
    }


@pytest.mark.parametrize("said", [ALLOW, DENY, UNDECIDED])
def test_an_answer_is_passed_back_as_it_is(tmp_path: Path, said: bytes) -> None:
    with Behind(tmp_path / "s", sends(said)) as behind, Member(tmp_path / "s") as member:
        for packet in (READ, WRITE, isuser(), b"\0\0", b"\xff\xff" + b"x" * 65535):
            assert member.ask(packet) == said
        assert [packet for _, packet in behind.packets][-2:] == [b"", b"x" * 65535]
        assert {number for number, _ in behind.packets} == {0}


def test_packets_are_answered_in_order_wherever_they_are_cut(tmp_path: Path) -> None:
    def by_user(packet: bytes, connection: socket.socket) -> None:
        connection.sendall(ALLOW if b"alice" in packet else DENY)

    stream = auth() + auth(user="bob") + isuser()
    with Behind(tmp_path / "s", by_user), Member(tmp_path / "s") as member:
        for split in range(1, len(stream)):
            member.write(stream[:split])
            member.write(stream[split:])
            assert [member.read() for _ in range(3)] == [ALLOW, DENY, ALLOW]
        member.write(stream * 100)
        member.close_input()
        assert [member.read() for _ in range(300)] == [ALLOW, DENY, ALLOW] * 100
        assert member.read() == b""
        assert member.wait() == 0


def test_an_answer_that_drips_goes_out_in_one_write(tmp_path: Path) -> None:
    with Behind(tmp_path / "s", drips), Member(tmp_path / "s") as member:
        assert member.ask(READ) == ALLOW


@pytest.mark.parametrize(
    ("behave", "packet", "asked"),
    [
        (hangs_up, READ, 2),
        (hangs_up, WRITE, 1),
        (sends(b"\0\2\0\3"), READ, 1),
        (sends(b"HTTP/1.1 200 OK"), READ, 1),
        (sends(ALLOW + ALLOW), READ, 1),
        (sends(ALLOW[:3]), READ, 1),
        (hangs, READ, 1),
        (hangs, WRITE, 1),
    ],
)
def test_without_an_answer_it_is_undecided_and_a_write_is_sent_once(
    tmp_path: Path, behave: Behaviour, packet: bytes, asked: int
) -> None:
    with (
        Behind(tmp_path / "s", behave) as behind,
        Member(tmp_path / "s", "--deadline", "0.3") as member,
    ):
        assert member.ask(packet) == UNDECIDED
        assert len(behind.packets) == asked
        behind.behave = sends(ALLOW)
        assert member.ask(packet) == ALLOW
        connections = [number for number, _ in behind.packets]
        assert connections[-1] > connections[-2], "what may still come on the old one is not heard"


def test_a_late_answer_is_never_taken_for_the_next_one(tmp_path: Path) -> None:
    go = threading.Event()

    def late(_: bytes, connection: socket.socket) -> None:
        go.wait(10)
        connection.sendall(ALLOW)

    with (
        Behind(tmp_path / "s", late) as behind,
        Member(tmp_path / "s", "--deadline", "0.2") as member,
    ):
        assert member.ask(READ) == UNDECIDED
        behind.behave = sends(DENY)
        go.set()
        for _ in range(20):
            assert member.ask(READ) == DENY


def test_an_answer_that_nobody_asked_for_is_thrown_away(tmp_path: Path) -> None:
    with Behind(tmp_path / "s", sends(DENY)) as behind, Member(tmp_path / "s") as member:
        assert member.ask(READ) == DENY
        behind.connections[0].sendall(ALLOW)
        assert member.ask(READ) == DENY


@pytest.mark.parametrize(("options", "answer"), [((), UNDECIDED), (("--dialect", "boolean"), DENY)])
def test_without_a_service_it_says_so_at_once_and_finds_it_when_it_is_there(
    tmp_path: Path, options: tuple[str, ...], answer: bytes
) -> None:
    path = tmp_path / "s"
    with Member(path, *options) as member:
        for packet in (READ, WRITE):
            assert member.ask(packet) == answer
        for _ in range(3):
            with Behind(path, sends(ALLOW)):
                assert member.ask(READ) == ALLOW
            assert member.ask(READ) == answer
        with socket.socket(socket.AF_UNIX) as left_over:
            left_over.bind(str(path))
        assert member.ask(READ) == answer
        member.close_input()
        assert member.wait() == 0
        told = member.stderr().splitlines()
    assert len(told) == 7, "a line when trouble begins and one when it is over"
    assert "No such file" in told[0]
    assert told[1].endswith("is back")


def test_the_service_may_end_the_connection_between_two_packets(tmp_path: Path) -> None:
    with Behind(tmp_path / "s", sends(ALLOW)) as behind, Member(tmp_path / "s") as member:
        for packet in (READ, WRITE) * 5:
            assert member.ask(packet) == ALLOW
            behind.drop()
        assert len(behind.packets) == 10


def test_neither_a_hangup_nor_too_few_descriptors_end_it(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with Member(path) as member:
        assert member.ask(READ) == UNDECIDED
        soft, hard = resource.prlimit(member.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(member.process.pid, resource.RLIMIT_NOFILE, (3, hard))
        with Behind(path, sends(ALLOW)):
            for _ in range(3):
                member.process.send_signal(signal.SIGHUP)
                assert member.ask(READ) == UNDECIDED
            resource.prlimit(member.process.pid, resource.RLIMIT_NOFILE, (soft, hard))
            assert member.ask(READ) == ALLOW


def stop_by_end_of_input(member: Member) -> None:
    member.close_input()


def stop_by_closed_output(member: Member) -> None:
    os.close(member.answers)


@pytest.mark.parametrize("asks", [False, True], ids=["idle", "asking"])
@pytest.mark.parametrize(
    "stop",
    [
        stop_by_end_of_input,
        stop_by_closed_output,
        lambda member: member.process.send_signal(signal.SIGTERM),
        lambda member: member.process.send_signal(signal.SIGINT),
    ],
    ids=["end of input", "closed output", "SIGTERM", "SIGINT"],
)
def test_it_goes_when_told_also_in_the_middle_of_a_request(
    tmp_path: Path, stop: Callable[[Member], None], asks: bool
) -> None:
    with (
        Behind(tmp_path / "s", sends(ALLOW)) as behind,
        Member(tmp_path / "s", "--deadline", "60") as member,
    ):
        assert member.ask(READ) == ALLOW
        if asks:
            behind.behave = hangs
            member.write(READ)
            until(lambda: len(behind.packets) == 2)
        stop(member)
        assert member.wait() == 0
        if stop is not stop_by_closed_output:
            assert member.read() == (UNDECIDED if asks else b"")


def test_a_standard_error_that_nobody_reads_holds_up_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with Member(path) as member:
        for _ in range(2000):
            with Behind(path, sends(ALLOW)):
                assert member.ask(READ) == ALLOW
            assert member.ask(READ) == UNDECIDED


def test_what_it_has_to_say_never_goes_to_the_service(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with Member(path, wrapper=("sh", "-c", 'exec "$@" 2>&-', "sh")) as member:
        assert member.ask(READ) == UNDECIDED
        with Behind(path, sends(ALLOW)) as behind:
            assert [member.ask(READ) for _ in range(3)] == [ALLOW] * 3
            assert [number for number, _ in behind.packets] == [0, 0, 0]


def test_it_loads_nothing_that_it_does_not_need() -> None:
    code = (
        "import sys; before = set(sys.modules); import extauth_http.service.relay\n"
        "print(' '.join(sorted(set(sys.modules) - before)))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert set(loaded) <= {
        "_socket",
        "extauth_http",
        "extauth_http.service",
        "extauth_http.service.relay",
        "select",
        "time",
        "os",
        "_signal",
    }
