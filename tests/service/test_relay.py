"""A relay keeps the promises whatever the service does."""

import contextlib
import os
import select
import socket
import threading
import time
from pathlib import Path

import pytest

from extauth_http.protocol.command import Operation
from extauth_http.protocol.replies import REPLY_FAILURE, REPLY_FALSE, REPLY_TRUE, Dialect, reply
from extauth_http.protocol.verdict import Verdict
from extauth_http.service import relay
from tests.integration.program import ALLOW, DENY, UNDECIDED, auth, isuser, setpass
from tests.service.processes import FakeService, Handler, RelayProcess, no_reply, reply_with, until

READ, WRITE = auth(), setpass()


def close_connection(_: bytes, connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_RDWR)


def reply_byte_by_byte(_: bytes, connection: socket.socket) -> None:
    for byte in ALLOW:
        time.sleep(0.01)
        connection.sendall(bytes([byte]))


def test_its_constants_match_the_protocol() -> None:
    for dialect in Dialect:
        for operation in Operation:
            expected = reply(Verdict.UNDECIDED, operation, dialect)
            assert relay.UNDECIDED_REPLIES[dialect.value] == expected
    assert set(relay.REPLIES) == {REPLY_FALSE, REPLY_TRUE, REPLY_FAILURE}
    assert {name.decode() for name in relay.REPEATABLE} == {
        f"{operation.value}:" for operation in Operation if not operation.is_write
    }


@pytest.mark.parametrize("expected", [ALLOW, DENY, UNDECIDED])
def test_a_reply_is_returned_unchanged(tmp_path: Path, expected: bytes) -> None:
    with (
        FakeService(tmp_path / "s", reply_with(expected)) as fake,
        RelayProcess(tmp_path / "s") as member,
    ):
        for packet in (READ, WRITE, isuser(), b"\0\0", b"\xff\xff" + b"x" * 65535):
            assert member.ask(packet) == expected
        assert [packet for _, packet in fake.packets][-2:] == [b"", b"x" * 65535]
        assert {number for number, _ in fake.packets} == {0}


def test_replies_keep_the_order_however_the_input_is_split(tmp_path: Path) -> None:
    def by_user(packet: bytes, connection: socket.socket) -> None:
        connection.sendall(ALLOW if b"alice" in packet else DENY)

    stream = auth() + auth(user="bob") + isuser()
    with FakeService(tmp_path / "s", by_user), RelayProcess(tmp_path / "s") as member:
        for split in range(1, len(stream)):
            member.write(stream[:split])
            member.write(stream[split:])
            assert [member.read() for _ in range(3)] == [ALLOW, DENY, ALLOW]
        member.write(stream * 100)
        member.close_input()
        assert [member.read() for _ in range(300)] == [ALLOW, DENY, ALLOW] * 100
        assert member.read() == b""
        assert member.wait() == 0


def test_a_reply_received_byte_by_byte_is_written_at_once(tmp_path: Path) -> None:
    with FakeService(tmp_path / "s", reply_byte_by_byte), RelayProcess(tmp_path / "s") as member:
        assert member.ask(READ) == ALLOW


@pytest.mark.parametrize(
    ("handle", "packet", "count"),
    [
        (close_connection, READ, 2),
        (close_connection, WRITE, 1),
        (reply_with(b"\0\2\0\3"), READ, 1),
        (reply_with(b"HTTP/1.1 200 OK"), READ, 1),
        (reply_with(ALLOW + ALLOW), READ, 1),
        (reply_with(ALLOW[:3]), READ, 1),
        (no_reply, READ, 1),
        (no_reply, WRITE, 1),
    ],
)
def test_a_missing_reply_means_undecided_and_a_write_is_sent_once(
    tmp_path: Path, handle: Handler, packet: bytes, count: int
) -> None:
    with (
        FakeService(tmp_path / "s", handle) as fake,
        RelayProcess(tmp_path / "s", "--deadline", "0.3") as member,
    ):
        assert member.ask(packet) == UNDECIDED
        assert len(fake.packets) == count
        fake.handle = reply_with(ALLOW)
        assert member.ask(packet) == ALLOW
        connections = [number for number, _ in fake.packets]
        assert connections[-1] > connections[-2], (
            "a late reply on the old connection must not be read"
        )


def test_a_late_reply_is_never_used_for_the_next_packet(tmp_path: Path) -> None:
    go = threading.Event()

    def late(_: bytes, connection: socket.socket) -> None:
        go.wait(10)
        connection.sendall(ALLOW)

    with (
        FakeService(tmp_path / "s", late) as fake,
        RelayProcess(tmp_path / "s", "--deadline", "0.2") as member,
    ):
        assert member.ask(READ) == UNDECIDED
        fake.handle = reply_with(DENY)
        go.set()
        for _ in range(20):
            assert member.ask(READ) == DENY


def test_a_late_reply_to_a_repeated_packet_is_not_used_either(tmp_path: Path) -> None:
    """The first connection closes without a reply, the second replies after the deadline."""

    def close_first(_: bytes, connection: socket.socket) -> None:
        if connection is fake.connections[0]:
            connection.shutdown(socket.SHUT_RDWR)

    with (
        FakeService(tmp_path / "s", close_first) as fake,
        RelayProcess(tmp_path / "s", "--deadline", "0.2") as member,
    ):
        assert member.ask(READ) == UNDECIDED
        fake.handle = reply_with(DENY)
        assert member.ask(READ) == DENY
        assert [number for number, _ in fake.packets] == [0, 1, 2]


def test_it_waits_for_a_service_whose_backlog_is_full(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.socket(socket.AF_UNIX))
        listening.bind(path)
        listening.listen(0)
        waiting = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                other = stack.enter_context(socket.socket(socket.AF_UNIX))
                other.setblocking(False)
                other.connect(path)
                waiting += 1
        member = stack.enter_context(RelayProcess(tmp_path / "s"))
        member.write(READ)
        assert not select.select([member.answers], [], [], 0.3)[0], "it does not wait"
        for _ in range(waiting):
            listening.accept()[0].close()
        connection = stack.enter_context(listening.accept()[0])
        assert connection.recv(1000) == READ
        connection.sendall(ALLOW)
        assert member.read() == ALLOW


def test_it_reads_a_limited_amount_of_input_ahead(tmp_path: Path) -> None:
    with FakeService(tmp_path / "s", no_reply), RelayProcess(tmp_path / "s") as member:
        assert member.process.stdin is not None
        descriptor = member.process.stdin.fileno()
        os.set_blocking(descriptor, False)
        written = 0
        while written < 4_000_000 and select.select([], [descriptor], [], 0.5)[1]:
            written += os.write(descriptor, READ * 100)
        member.process.kill()
        assert written < 1_000_000


def test_a_reply_without_a_packet_is_discarded(tmp_path: Path) -> None:
    with (
        FakeService(tmp_path / "s", reply_with(DENY)) as fake,
        RelayProcess(tmp_path / "s") as member,
    ):
        assert member.ask(READ) == DENY
        fake.connections[0].sendall(ALLOW)
        assert member.ask(READ) == DENY


@pytest.mark.parametrize(("options", "answer"), [((), UNDECIDED), (("--dialect", "boolean"), DENY)])
def test_it_is_undecided_without_a_service_and_reports_changes(
    tmp_path: Path, options: tuple[str, ...], answer: bytes
) -> None:
    path = tmp_path / "s"
    with RelayProcess(path, *options) as member:
        for packet in (READ, WRITE):
            assert member.ask(packet) == answer
        for _ in range(3):
            with FakeService(path, reply_with(ALLOW)):
                assert member.ask(READ) == ALLOW
            assert member.ask(READ) == answer
        with socket.socket(socket.AF_UNIX) as unused:
            unused.bind(str(path))
        assert member.ask(READ) == answer
        member.close_input()
        assert member.wait() == 0
        messages = member.stderr().splitlines()
    assert len(messages) == 7, "one line at each failure and one at each recovery"
    assert "No such file" in messages[0]
    assert messages[1].endswith("the service replies again")


def test_a_connection_closed_between_packets_is_opened_again(tmp_path: Path) -> None:
    with (
        FakeService(tmp_path / "s", reply_with(ALLOW)) as fake,
        RelayProcess(tmp_path / "s") as member,
    ):
        for packet in (READ, WRITE) * 5:
            assert member.ask(packet) == ALLOW
            fake.drop()
        assert len(fake.packets) == 10


@pytest.mark.parametrize("packet", [READ, WRITE])
def test_a_packet_waits_for_a_service_that_restarts(tmp_path: Path, packet: bytes) -> None:
    path = tmp_path / "s"
    with RelayProcess(path) as member:
        with FakeService(path, reply_with(ALLOW)):
            assert member.ask(READ) == ALLOW
        member.write(packet)
        time.sleep(0.3)
        with FakeService(path, reply_with(ALLOW)) as restarted:
            assert member.read() == ALLOW
            assert len(restarted.packets) == 1


def test_it_waits_for_a_restart_once(tmp_path: Path) -> None:
    """A service that stays away does not delay each packet."""
    path = tmp_path / "s"
    with RelayProcess(path, "--deadline", "1") as member:
        with FakeService(path, reply_with(ALLOW)):
            assert member.ask(READ) == ALLOW
        started = time.monotonic()
        assert member.ask(READ) == UNDECIDED
        first = time.monotonic() - started
        for _ in range(20):
            assert member.ask(READ) == UNDECIDED
        # Twenty packets that wait half a second each would take ten seconds.
        assert time.monotonic() - started - first < 20 * first / 2


@pytest.mark.parametrize(("packet", "expected"), [(READ, ALLOW), (WRITE, UNDECIDED)])
def test_a_packet_that_was_lost_in_a_restart_is_sent_again_if_it_is_a_read(
    tmp_path: Path, packet: bytes, expected: bytes
) -> None:
    path = tmp_path / "s"
    with RelayProcess(path) as member:
        with FakeService(path, reply_with(ALLOW)) as fake:
            assert member.ask(READ) == ALLOW
            fake.handle = no_reply
            member.write(packet)
            until(lambda: len(fake.packets) == 2)
        with FakeService(path, reply_with(ALLOW)):
            assert member.read() == expected
