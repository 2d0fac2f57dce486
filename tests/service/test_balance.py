"""The connections of ``serve`` are spread over its workers, and its socket stays in its place."""

import contextlib
import json
import os
import signal
import socket
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.program import ALLOW, auth, rest
from tests.integration.service import Service
from tests.service.processes import RelayProcess, ServeProcess, ask, connect, until

MEMBERS = 12


def events(serving: ServeProcess, name: str) -> list[dict[str, object]]:
    """The events of this name in the log and on standard error, with their fields."""
    found = []
    for file in (serving.log_file, serving.stderr_file):
        whole_lines, _, _ = (file.read_text() if file.exists() else "").rpartition("\n")
        found += [json.loads(line) for line in whole_lines.splitlines()]
    return [event for event in found if event["event"] == name]


def is_stopped(pid: int) -> bool:
    """Whether all threads of a process are stopped."""
    states = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/stat")]
    return all(state.rpartition(")")[2].split()[0] == "T" for state in states)


def members_per_worker(serving: ServeProcess, members: list[RelayProcess]) -> list[int]:
    """How many of the members each worker answers now. Each member asks once."""
    user = uuid.uuid4().hex
    for member in members:
        assert member.ask(auth("right", user)) == ALLOW
    until(lambda: len(answers_to(serving, user)) == len(members))
    answers = Counter(answers_to(serving, user))
    return [answers[pid] for pid in serving.workers()]


def answers_to(serving: ServeProcess, user: str) -> list[object]:
    """The process IDs of the workers that answered a command about this user."""
    return [event["pid"] for event in events(serving, "answer") if event["user"] == user]


@pytest.fixture
def members(serving: ServeProcess) -> Iterator[list[RelayProcess]]:
    with ExitStack() as stack:
        yield [stack.enter_context(RelayProcess(serving.socket)) for _ in range(MEMBERS)]


def test_a_new_worker_gets_its_share_of_the_connections(
    serving: ServeProcess, members: list[RelayProcess]
) -> None:
    assert min(members_per_worker(serving, members)) >= MEMBERS // 3
    killed, _ = serving.workers()
    os.kill(killed, signal.SIGKILL)
    until(lambda: killed not in serving.workers() and len(serving.workers()) == 2)
    until(lambda: min(members_per_worker(serving, members)) >= MEMBERS // 3)


def test_a_removed_socket_is_created_again(
    serving: ServeProcess, members: list[RelayProcess]
) -> None:
    (old,) = members[:1]
    assert old.ask(auth("right")) == ALLOW
    workers = serving.workers()
    serving.socket.unlink()
    until(serving.socket.exists)
    assert serving.socket.stat().st_mode & 0o777 == 0o660
    assert old.ask(auth("right")) == ALLOW
    assert min(members_per_worker(serving, members)) >= MEMBERS // 3
    assert serving.workers() == workers
    assert len(events(serving, "socket_created")) == 1
    assert serving.stop() == 0
    assert not serving.socket.exists()


def test_a_socket_that_cannot_be_created_again_is_reported_once(
    tmp_path: Path, service: Service
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    with ServeProcess(tmp_path, rest(service.url), "--socket", str(folder / "s")) as serving:
        (folder / "s").unlink()
        folder.rmdir()
        until(lambda: events(serving, "socket_removed"))
        folder.mkdir()
        until((folder / "s").exists)
        assert len(events(serving, "socket_removed")) == 1


def test_a_socket_that_another_process_replaced_is_left_to_it(serving: ServeProcess) -> None:
    with socket.socket(socket.AF_UNIX) as another, connect(serving) as connection:
        another.bind(str(serving.socket) + ".new")
        another.listen()
        os.rename(f"{serving.socket}.new", serving.socket)
        until(lambda: events(serving, "socket_replaced"))
        assert ask(connection, auth("right")) == ALLOW
        assert serving.stop() == 0
        assert serving.socket.exists()


def test_a_question_whose_relay_is_gone_is_not_put_to_the_service(
    serving: ServeProcess, service: Service
) -> None:
    workers = serving.workers()
    gone, present = connect(serving), connect(serving)
    with present:
        for connection in (gone, present):
            assert ask(connection, auth("right")) == ALLOW
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        until(lambda: all(map(is_stopped, workers)))
        for connection in (gone, present):
            connection.sendall(auth("slow"))
        gone.close()
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
        assert present.recv(100) == ALLOW
    until(lambda: len(events(serving, "answer")) == 4)
    reasons = Counter(event.get("reason") for event in events(serving, "answer"))
    assert reasons["disconnected"] == 1
    assert len(service.requests) == 3


def test_a_relay_that_only_ends_its_input_gets_its_reply(serving: ServeProcess) -> None:
    with connect(serving) as connection:
        connection.sendall(auth("right"))
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100) == ALLOW
