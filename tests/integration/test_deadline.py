"""Each reply is out at the deadline, and a packet that hangs does not delay the next one."""

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.certificates import certificates
from tests.integration.plugins import plugins
from tests.integration.program import ALLOW, UNDECIDED, Program, auth, isuser, rest, setpass
from tests.integration.service import YES, Behaviour, Request, Service, answering, silent

DEADLINE = 0.6
TOP = f"deadline = {DEADLINE}"
LATE = 0.1
"""Tolerance after the deadline, in seconds."""

NOISE = 0.8
"""Tolerance for a busy machine, in seconds. The calls that hang take much longer."""


def dripping(data: bytes) -> Behaviour:
    """Sends one byte every 0.1 s."""

    def behave(_: Request, connection: socket.socket) -> None:
        for byte in data:
            connection.sendall(bytes([byte]))
            time.sleep(0.1)

    return behave


def assert_reply_at_deadline(program: Program, hanging: bytes) -> None:
    """Sends a packet whose backend call hangs."""
    program.logged("config_loaded")  # the start is not part of the deadline
    before = time.monotonic()
    assert program.ask(hanging) == UNDECIDED
    took = time.monotonic() - before
    assert DEADLINE - 0.05 <= took < DEADLINE + LATE + NOISE
    assert program.reasons(1)[-1] == "deadline"


@pytest.mark.parametrize(
    "behave",
    [
        silent,
        dripping(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100),
        dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\ntrue" + b" " * 396),
        dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 100),
        dripping(b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    ],
    ids=["silence", "headers", "body", "chunks", "1xx"],
)
def test_a_service_that_hangs_or_drips_takes_one_deadline(
    tmp_path: Path, behave: Behaviour
) -> None:
    with Service(behave) as service, Program(tmp_path, rest(service.url, top=TOP)) as program:
        assert_reply_at_deadline(program, auth())
        service.behave = answering(YES)
        before = time.monotonic()
        assert program.ask(isuser()) == ALLOW
        assert time.monotonic() - before < DEADLINE


def test_a_connect_without_an_answer_takes_one_deadline(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                each.connect(("127.0.0.1", port))
        with Program(tmp_path, rest(f"http://127.0.0.1:{port}", top=TOP)) as program:
            assert_reply_at_deadline(program, auth())
            assert "connecting" in program.logged()[0]["detail"]
        for each in waiting:
            each.close()


def test_a_tls_handshake_that_stalls_takes_one_deadline(tmp_path: Path) -> None:
    ca_file = certificates(tmp_path).ca_file
    tls = f'[backend.tls]\nca_file = "{ca_file}"'
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"https://localhost:{mute.getsockname()[1]}/"
        with Program(tmp_path, rest(url, tls, top=TOP)) as program:
            assert_reply_at_deadline(program, auth())
            assert "TLS" in program.logged()[0]["detail"]


@contextlib.contextmanager
def mute_name_server() -> Iterator[int]:
    """A name server on loopback that never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.53", 53))
        yield server.fileno()


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("unshare"),
    reason="only root can give a process a resolv.conf of its own",
)
def test_a_name_server_that_does_not_answer_takes_one_deadline(tmp_path: Path) -> None:
    resolver = tmp_path / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.53\noptions timeout:10 attempts:1\n")
    script = f'mount --bind {resolver} /etc/resolv.conf && exec "$@"'
    wrapper = ("unshare", "--mount", "sh", "-c", script, "sh")
    if subprocess.run([*wrapper, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine does not let root mount")
    config = rest("http://service.example/", top=TOP)
    with (
        Service() as service,
        mute_name_server(),
        Program(tmp_path, config, wrapper=wrapper) as program,
    ):
        assert_reply_at_deadline(program, auth())
        program.write_config(rest(service.url.replace("localhost", "127.0.0.1"), top=TOP))
        before = time.monotonic()
        assert program.ask(isuser()) == ALLOW
        assert time.monotonic() - before < DEADLINE


@pytest.mark.parametrize("does", ["loop", "sleep", "stubborn"])
def test_a_backend_call_that_never_returns_takes_one_deadline(tmp_path: Path, does: str) -> None:
    config = f'{TOP}\n[backend]\nkind = "noisy"\ndoes = "{does}"\n'
    with Program(tmp_path, config, environment=plugins(tmp_path)) as program:
        assert program.ask(auth("right")) == ALLOW
        for _ in range(3):
            before = time.monotonic()
            assert program.ask(auth("wrong")) == UNDECIDED
            assert time.monotonic() - before < DEADLINE + LATE + NOISE
            assert program.ask(auth("right")) == ALLOW
        assert program.reasons(7)[1::2] == ["deadline"] * 3


def test_a_write_that_is_late_is_not_sent_after_the_reply(tmp_path: Path) -> None:
    """Its reply is out already, so its result could not be reported."""
    known = certificates(tmp_path)
    tls = f'[backend.tls]\nca_file = "{known.ca_file}"'
    with socket.create_server(("127.0.0.1", 0)) as late:
        url = f"https://localhost:{late.getsockname()[1]}/"
        with Program(tmp_path, rest(url, tls, top=TOP)) as program:
            program.logged("config_loaded")
            assert program.ask(setpass()) == UNDECIDED
            connection, _ = late.accept()
            connection.settimeout(5)
            with connection, pytest.raises((ssl.SSLError, ConnectionError)):
                known.good.wrap_socket(connection, server_side=True)
        late.settimeout(0)
        with pytest.raises(BlockingIOError):
            late.accept()


def test_the_number_of_threads_that_hang_is_bounded(tmp_path: Path) -> None:
    config = '[backend]\nkind = "noisy"\ndoes = "sleep"\n'
    with Program(tmp_path, f"deadline = 0.1\n{config}", environment=plugins(tmp_path)) as program:
        answers = [program.ask(auth("wrong")) for _ in range(18)]
        assert answers == [UNDECIDED] * 18
        assert program.reasons(18)[15:] == ["deadline", "stuck", "stuck"]
        tasks = Path(f"/proc/{program.process.pid}/task")
        assert len(list(tasks.iterdir())) <= 16 + 3


def test_a_thread_that_loops_is_interrupted(tmp_path: Path) -> None:
    # A busy machine needs a part of the deadline to get to the loop.
    config = 'deadline = 1\n[backend]\nkind = "noisy"\ndoes = "loop"\n'
    with Program(tmp_path, config, environment=plugins(tmp_path)) as program:
        assert program.ask(auth("wrong")) == UNDECIDED
        tasks = Path(f"/proc/{program.process.pid}/task")
        end = time.monotonic() + 10
        while len(list(tasks.iterdir())) > 2 and time.monotonic() < end:
            time.sleep(0.01)
        assert len(list(tasks.iterdir())) == 2


def test_packets_behind_one_that_hangs_are_answered_in_order(tmp_path: Path) -> None:
    config = f'{TOP}\n[backend]\nkind = "noisy"\ndoes = "sleep"\n'
    with Program(tmp_path, config, environment=plugins(tmp_path)) as program:
        passwords = ["right", "wrong", "right", "wrong", "right"]
        program.write(b"".join(map(auth, passwords)))
        answers = [program.read() for _ in passwords]
    assert answers == [ALLOW, UNDECIDED, ALLOW, UNDECIDED, ALLOW]


def test_a_shorter_deadline_applies_to_the_next_packet(tmp_path: Path) -> None:
    first = "deadline = 20"
    with Service(silent) as service, Program(tmp_path, rest(service.url, top=first)) as program:
        program.logged("config_loaded")
        program.write_config(rest(service.url, top=TOP))
        assert_reply_at_deadline(program, auth())
