"""A relay as a process: what ends it, its standard streams, and what it imports."""

import fcntl
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.program import ALLOW, UNDECIDED, auth, setpass
from tests.service.processes import FakeService, RelayProcess, no_reply, reply_with, until

READ, WRITE = auth(), setpass()


def test_neither_sighup_nor_a_lack_of_descriptors_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with RelayProcess(path) as member:
        assert member.ask(READ) == UNDECIDED
        soft, hard = resource.prlimit(member.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(member.process.pid, resource.RLIMIT_NOFILE, (3, hard))
        with FakeService(path, reply_with(ALLOW)):
            for _ in range(3):
                member.process.send_signal(signal.SIGHUP)
                assert member.ask(READ) == UNDECIDED
            resource.prlimit(member.process.pid, resource.RLIMIT_NOFILE, (soft, hard))
            assert member.ask(READ) == ALLOW


def close_input(member: RelayProcess) -> None:
    member.close_input()


def close_output(member: RelayProcess) -> None:
    os.close(member.answers)


@pytest.mark.parametrize("is_pending", [False, True], ids=["idle", "pending request"])
@pytest.mark.parametrize(
    "stop",
    [
        close_input,
        close_output,
        lambda member: member.process.send_signal(signal.SIGTERM),
        lambda member: member.process.send_signal(signal.SIGINT),
    ],
    ids=["end of input", "closed output", "SIGTERM", "SIGINT"],
)
def test_it_exits_at_once_even_during_a_request(
    tmp_path: Path, stop: Callable[[RelayProcess], None], is_pending: bool
) -> None:
    with (
        FakeService(tmp_path / "s", reply_with(ALLOW)) as fake,
        RelayProcess(tmp_path / "s", "--deadline", "25") as member,
    ):
        assert member.ask(READ) == ALLOW
        if is_pending:
            fake.handle = no_reply
            member.write(READ)
            until(lambda: len(fake.packets) == 2)
        stop(member)
        assert member.wait() == 0
        if stop is not close_output:
            assert member.read() == (UNDECIDED if is_pending else b"")


def test_an_unread_standard_error_delays_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with RelayProcess(path, "--deadline", "0.1") as member:
        assert member.process.stderr
        fcntl.fcntl(member.process.stderr, fcntl.F_SETPIPE_SZ, 4096)
        for _ in range(60):  # more than the pipe holds
            with FakeService(path, reply_with(ALLOW)):
                assert member.ask(READ) == ALLOW
            assert member.ask(READ) == UNDECIDED


def test_its_messages_never_go_to_the_service(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with RelayProcess(path, wrapper=("sh", "-c", 'exec "$@" 2>&-', "sh")) as member:
        assert member.ask(READ) == UNDECIDED
        with FakeService(path, reply_with(ALLOW)) as fake:
            assert [member.ask(READ) for _ in range(3)] == [ALLOW] * 3
            assert [number for number, _ in fake.packets] == [0, 0, 0]


def test_it_imports_only_small_modules() -> None:
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
