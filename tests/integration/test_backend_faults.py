"""Faults of a backend: the program goes on and shows no credential."""

import signal
import time
from pathlib import Path

import pytest

from tests.integration.plugins import plugins
from tests.integration.program import ALLOW, DENY, UNDECIDED, Program, auth, isuser


@pytest.mark.parametrize(
    ("does", "reason"),
    [
        ("raise", "backend_error"),
        ("exit", "backend_exit"),
        ("interrupt", "backend_error"),
        ("true", "not_a_verdict"),
        ("none", "not_a_verdict"),
        ("undecided", "cannot_tell"),
        ("no verdict", "not_a_verdict"),
        ("no reason", "not_a_verdict"),
        ("undecided by nothing", "not_a_verdict"),
        ("logging", "connect_refused"),
    ],
)
def test_a_backend_that_fails_is_undecided_and_the_program_goes_on(
    tmp_path: Path, does: str, reason: str
) -> None:
    config = f'[backend]\nkind = "noisy"\ndoes = "{does}"\n'
    with Program(tmp_path, config, environment=plugins(tmp_path)) as program:
        assert program.ask(auth("hunter2")) == UNDECIDED
        assert program.ask(isuser()) == DENY  # it does not implement this operation
        assert program.reasons(2) == [reason, "unsupported"]
        assert "hunter2" not in program.log_file.read_text() + program.stderr()


@pytest.mark.parametrize("does", ["unraisable", "thread"])
def test_an_uncaught_exception_prints_nothing(tmp_path: Path, does: str) -> None:
    config = f'[backend]\nkind = "noisy"\ndoes = "{does}"\n'
    with Program(tmp_path, config, environment=plugins(tmp_path)) as program:
        assert program.ask(auth("hunter2")) == DENY
        assert program.reasons() == ["denied"]
        assert "hunter2" not in program.stderr()
        assert "Traceback" not in program.stderr()


@pytest.mark.parametrize("does", ["raise at close", "hang at close"])
def test_a_backend_that_cannot_be_closed_is_still_replaced(tmp_path: Path, does: str) -> None:
    closed = tmp_path / "closed"
    kind = '[backend]\nkind = "noisy"\n'
    config = f'{kind}does = "{does}"\nfile = "{closed}"\n'
    with Program(tmp_path, config, environment=plugins(tmp_path)) as program:
        assert program.ask(auth("right")) == ALLOW
        for count in (1, 2):
            program.write_config(f'dialect = "boolean"\n{kind}does = "none"\n')
            assert program.ask(auth("right")) == DENY
            program.write_config(config)
            assert program.ask(auth("right")) == ALLOW
            assert len(program.logged("config_reloaded", count=2 * count)) == 2 * count
        if does == "raise at close":
            until_exists(closed)
        assert not [event for event in program.log() if event["event"] == "config_broken"]


def until_exists(file: Path) -> None:
    """Waits until a file exists."""
    end = time.monotonic() + 20
    while not file.exists():
        assert time.monotonic() < end, f"{file} never appeared"
        time.sleep(0.01)


def test_a_replaced_backend_is_closed_after_its_last_command_is_answered(tmp_path: Path) -> None:
    goes_on, closed = tmp_path / "goes-on", tmp_path / "closed"
    kind = '[backend]\nkind = "noisy"\n'
    config = f'{kind}does = "wait for a file"\nfile = "{closed}"\n'
    with Program(tmp_path, config, environment=plugins(tmp_path)) as program:
        program.logged("config_loaded")
        program.write(auth(str(goes_on)))
        while "it waits" not in program.stderr():
            time.sleep(0.01)
        program.write_config(f'{kind}does = "nothing"\n')
        program.signal(signal.SIGHUP)
        program.logged("config_reloaded")
        time.sleep(0.1)  # a backend that is closed too early is closed by now
        assert not closed.exists()
        goes_on.touch()
        assert program.read() == ALLOW
        until_exists(closed)
        assert program.ask(auth("right")) == ALLOW


@pytest.mark.parametrize(
    ("method", "reply", "reason"),
    [
        ("extauth_http.protocol.packet_parser.PacketReader.feed", ALLOW, "allowed"),
        ("extauth_http.program.pending_packet.PendingPacket.start_deciding", UNDECIDED, None),
        ("extauth_http.program.pending_packet.PendingPacket.make_outcome", UNDECIDED, None),
        ("extauth_http.program.pending_packet.PendingPacket.finish", ALLOW, "allowed"),
        ("extauth_http.program.log.Log.outcome", ALLOW, None),
    ],
)
def test_a_lack_of_memory_in_the_reading_thread_costs_no_reply(
    tmp_path: Path, method: str, reply: bytes, reason: str | None
) -> None:
    """The deadline is longer than the test waits: only a new thread can answer."""
    config = f'deadline = 25\n[backend]\nkind = "noisy"\ndoes = "fail once"\nfile = "{method}"\n'
    with Program(tmp_path, config, environment=plugins(tmp_path)) as program:
        program.logged("config_loaded")
        assert program.ask(auth("right")) == reply
        assert program.ask(auth("right")) == ALLOW
        if reply == UNDECIDED:
            event = program.logged(count=2)[0]
            assert (event["reason"], event["detail"]) == ("internal_error", "MemoryError")
        elif reason:
            assert program.reasons(2) == [reason] * 2
