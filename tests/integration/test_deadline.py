"""The answer is out when its time is up, whatever hangs; and the next one does not wait for it."""

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
from tests.integration.service import YES, Behaviour, Request, Service, answering

DEADLINE = 0.6
TOP = f"deadline = {DEADLINE}"
LATE = 0.1
"""What may come on top of the deadline."""

NOISE = 0.8
"""What a busy machine may add; whatever hangs here hangs for many seconds."""


def dripping(data: bytes) -> Behaviour:
    """Sends a byte every tenth of a second."""

    def behave(_: Request, connection: socket.socket) -> None:
        for byte in data:
            connection.sendall(bytes([byte]))
            time.sleep(0.1)

    return behave


def silent(_: Request, __: socket.socket) -> None:
    """Never answers."""


def deciding_in_time(program: Program, hanging: bytes) -> None:
    """Asks what hangs."""
    program.logged("config_loaded")  # what a start takes is not the deadline's
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
def test_a_service_that_hangs_or_drips_costs_one_deadline(
    tmp_path: Path, behave: Behaviour
) -> None:
    with Service(behave) as service, Program(tmp_path, rest(service.url, top=TOP)) as program:
        deciding_in_time(program, auth())
        service.behave = answering(YES)
        before = time.monotonic()
        assert program.ask(isuser()) == ALLOW
        assert time.monotonic() - before < DEADLINE


def test_a_connect_into_the_void_costs_one_deadline(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                each.connect(("127.0.0.1", port))
        with Program(tmp_path, rest(f"http://127.0.0.1:{port}", top=TOP)) as program:
            deciding_in_time(program, auth())
            assert "connecting" in program.logged()[0]["detail"]
        for each in waiting:
            each.close()


def test_a_tls_handshake_that_stalls_costs_one_deadline(tmp_path: Path) -> None:
    ca_file = certificates(tmp_path).ca_file
    tls = f'[backend.tls]\nca_file = "{ca_file}"'
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"https://localhost:{mute.getsockname()[1]}/"
        with Program(tmp_path, rest(url, tls, top=TOP)) as program:
            deciding_in_time(program, auth())
            assert "TLS" in program.logged()[0]["detail"]


@contextlib.contextmanager
def mute_name_server() -> Iterator[int]:
    """A name server on loopback that takes questions and never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.53", 53))
        yield server.fileno()


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("unshare"),
    reason="only root can give a process a resolv.conf of its own",
)
def test_a_name_server_that_does_not_answer_costs_one_deadline(tmp_path: Path) -> None:
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
        deciding_in_time(program, auth())
        program.write_config(rest(service.url.replace("localhost", "127.0.0.1"), top=TOP))
        before = time.monotonic()
        assert program.ask(isuser()) == ALLOW
        assert time.monotonic() - before < DEADLINE


@pytest.mark.parametrize("does", ["loop", "sleep", "stubborn"])
def test_a_backend_that_never_comes_back_costs_one_deadline(tmp_path: Path, does: str) -> None:
    config = f'{TOP}\n[backend]\nkind = "noisy"\ndoes = "{does}"\n'
    with Program(tmp_path, config, environment=plugins(tmp_path)) as program:
        assert program.ask(auth("right")) == ALLOW
        for _ in range(3):
            before = time.monotonic()
            assert program.ask(auth("wrong")) == UNDECIDED
            assert time.monotonic() - before < DEADLINE + LATE + NOISE
            assert program.ask(auth("right")) == ALLOW
        assert program.reasons(7)[1::2] == ["deadline"] * 3


def test_a_write_that_was_given_up_is_not_sent_later(tmp_path: Path) -> None:
    """It was answered: what the service hears of it after that, nobody would know."""
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


def test_threads_that_hang_for_good_are_bounded(tmp_path: Path) -> None:
    config = '[backend]\nkind = "noisy"\ndoes = "sleep"\n'
    with Program(tmp_path, f"deadline = 0.1\n{config}", environment=plugins(tmp_path)) as program:
        answers = [program.ask(auth("wrong")) for _ in range(18)]
        assert answers == [UNDECIDED] * 18
        assert program.reasons(18)[15:] == ["deadline", "stuck", "stuck"]
        tasks = Path(f"/proc/{program.process.pid}/task")
        assert len(list(tasks.iterdir())) <= 16 + 3


def test_a_thread_that_loops_is_ended(tmp_path: Path) -> None:
    config = f'{TOP}\n[backend]\nkind = "noisy"\ndoes = "loop"\n'
    with Program(tmp_path, config, environment=plugins(tmp_path)) as program:
        assert program.ask(auth("wrong")) == UNDECIDED
        tasks = Path(f"/proc/{program.process.pid}/task")
        end = time.monotonic() + 10
        while len(list(tasks.iterdir())) > 2 and time.monotonic() < end:
            time.sleep(0.01)
        assert len(list(tasks.iterdir())) == 2


def test_many_packets_behind_one_that_hangs_are_answered_in_order(tmp_path: Path) -> None:
    config = f'{TOP}\n[backend]\nkind = "noisy"\ndoes = "sleep"\n'
    with Program(tmp_path, config, environment=plugins(tmp_path)) as program:
        passwords = ["right", "wrong", "right", "wrong", "right"]
        program.write(b"".join(map(auth, passwords)))
        answers = [program.read() for _ in passwords]
    assert answers == [ALLOW, UNDECIDED, ALLOW, UNDECIDED, ALLOW]


def test_a_shorter_deadline_counts_from_the_next_packet(tmp_path: Path) -> None:
    first = "deadline = 20"
    with Service(silent) as service, Program(tmp_path, rest(service.url, top=first)) as program:
        program.logged("config_loaded")
        program.write_config(rest(service.url, top=TOP))
        deciding_in_time(program, auth())
