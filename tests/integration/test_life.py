"""The program stays with any configuration, and ends at once when it has to."""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.plugins import plugins
from tests.integration.program import (
    ALLOW,
    DENY,
    UNDECIDED,
    Program,
    auth,
    rest,
    setpass,
)
from tests.integration.service import Service, answering, http, silent


def assert_recovers(program: Program) -> None:
    """Sends logins until one is allowed."""
    end = time.monotonic() + 20
    while program.ask(auth()) != ALLOW:
        assert time.monotonic() < end, program.log()
        time.sleep(0.05)


def test_a_configuration_that_is_created_after_the_start_is_used(
    tmp_path: Path,
) -> None:
    away = ("sh", "-c", f'rm {tmp_path}/extauth-http.toml; exec "$@"', "sh")
    with Service() as service, Program(tmp_path, "", wrapper=away) as program:
        assert program.ask(auth()) == UNDECIDED
        program.write_config(rest(service.url))
        assert program.ask(auth()) == ALLOW
    assert f"{program.config}: cannot be read: No such file" in program.stderr()


BROKEN: dict[str, str] = {
    "empty": "",
    "not TOML": "[backend\n",
    "an unknown key": 'nonsense = 1\n[backend]\nkind = "rest"\nurl = "{url}"\n',
    "no secret file": rest("{url}", '[backend.service_auth]\nkind="bearer"\ntoken_file="{secret}"'),
    "no such plugin": '[backend]\nkind = "absent"\n',
    "a plugin that fails at its import": '[backend]\nkind = "broken"\n',
    "a plugin that is none": '[backend]\nkind = "other"\n',
}


@pytest.mark.parametrize("fault", BROKEN)
def test_logins_are_undecided_until_the_configuration_is_fixed(tmp_path: Path, fault: str) -> None:
    with Service() as service:
        text = BROKEN[fault].replace("{url}", service.url)
        broken = text.replace("{secret}", str(tmp_path / "absent"))
        with Program(tmp_path, broken, environment=plugins(tmp_path)) as program:
            assert [program.ask(auth("hunter2")) for _ in range(5)] == [UNDECIDED] * 5
            assert program.ask(setpass("hunter2")) == UNDECIDED
            program.write_config(rest(service.url))
            assert program.ask(auth("hunter2")) == ALLOW
            assert program.ask(auth("hunter2")) == ALLOW
        said = program.stderr() + program.log_file.read_text()
    assert said.count("config_broken") == 1
    assert str(program.config) in said
    assert said.count('"reason": "config"') == 6
    assert said.count('"reason": "allowed"') == 2
    assert said.count('"config_loaded"') == 1
    assert "hunter2" not in said


def test_a_secret_file_that_is_created_later_is_used(
    tmp_path: Path,
) -> None:
    token = tmp_path / "token"
    more = f'[backend.service_auth]\nkind = "bearer"\ntoken_file = "{token}"'
    with Service() as service, Program(tmp_path, rest(service.url, more)) as program:
        assert program.ask(auth()) == UNDECIDED
        token.write_text("s3cret\n")
        assert_recovers(program)
        assert service.requests[-1].headers["authorization"] == "Bearer s3cret"
        token.write_text("n3xt\n")
        assert program.ask(auth()) == ALLOW
        assert service.requests[-1].headers["authorization"] == "Bearer n3xt"
        token.unlink()
        assert program.ask(auth()) == ALLOW
        assert service.requests[-1].headers["authorization"] == "Bearer n3xt"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_configuration_that_becomes_readable_is_used(tmp_path: Path) -> None:
    config = tmp_path / "extauth-http.toml"
    script = (
        f"chown 65534 {config} && chmod 600 {config} && "
        'exec setpriv --bounding-set -dac_override,-dac_read_search "$@"'
    )
    with Service() as service:
        wrapper = ("sh", "-c", script, "sh")
        with Program(tmp_path, rest(service.url), wrapper=wrapper) as program:
            assert program.ask(auth()) == UNDECIDED
            assert f"{config}: cannot be read: Permission denied" in program.stderr()
            os.chown(config, 0, 0)
            assert program.ask(auth()) == ALLOW


def test_the_previous_configuration_replaces_an_unusable_one(tmp_path: Path) -> None:
    with Service() as service, Program(tmp_path, rest(service.url)) as program:
        assert program.ask(auth()) == ALLOW
        program.write_config("nonsense = 1\n")
        assert [program.ask(auth()) for _ in range(5)] == [ALLOW] * 5
        (event,) = program.logged("config_broken")
        assert "nonsense: unknown key" in " ".join(event["problems"])
        assert event["detail"] == "the previous configuration stays in use"
        program.config.unlink()
        assert program.ask(auth()) == ALLOW


def test_a_change_takes_effect_at_the_next_packet(tmp_path: Path) -> None:
    with (
        Service() as yes,
        Service(answering(http(403))) as no,
        Program(tmp_path, rest(yes.url)) as program,
    ):
        for _ in range(5):
            program.write_config(rest(no.url))
            assert program.ask(auth()) == DENY
            program.write_config(rest(yes.url))
            assert program.ask(auth()) == ALLOW


def test_sighup_reads_the_configuration_again(tmp_path: Path) -> None:
    with Service() as service, Program(tmp_path, rest(service.url)) as program:
        assert program.ask(auth()) == ALLOW
        program.signal(signal.SIGHUP)
        program.logged("config_reloaded")
        program.write_config("nonsense = 1\n")
        program.signal(signal.SIGHUP)
        program.logged("config_broken")
        assert program.ask(auth()) == ALLOW


def test_an_unusable_configuration_is_not_logged_for_each_packet(tmp_path: Path) -> None:
    with Program(tmp_path, "nonsense = 1\n") as program:
        for _ in range(300):
            assert program.ask(auth()) == UNDECIDED
        assert len(program.logged("config_broken")) == 1


def close_input(program: Program) -> None:
    program.close_input()


def close_output(program: Program) -> None:
    os.close(program.answers)


def terminate(program: Program) -> None:
    program.signal(signal.SIGTERM)


def interrupt(program: Program) -> None:
    program.signal(signal.SIGINT)


ENDS = [close_input, close_output, terminate, interrupt]


@pytest.mark.parametrize("go", ENDS)
@pytest.mark.parametrize("busy", ["idle", "hanging", "looping", "broken"])
def test_the_program_ends_at_once_in_any_state(
    tmp_path: Path, go: Callable[[Program], None], busy: str
) -> None:
    with Service(silent) as service:
        config = {
            "looping": '[backend]\nkind = "noisy"\ndoes = "loop"\n',
            "broken": "nonsense = 1\n",
        }.get(busy, rest(service.url))
        with Program(tmp_path, config, environment=plugins(tmp_path)) as program:
            program.logged("config_broken" if busy == "broken" else "config_loaded")
            if busy in ("hanging", "looping"):
                program.write(auth("wrong"))
                while busy == "hanging" and not service.requests:
                    time.sleep(0.01)
                while busy == "looping" and "it loops" not in program.stderr():
                    time.sleep(0.01)
            before = time.monotonic()
            go(program)
            assert program.wait() == 0
            assert time.monotonic() - before < 1.5
            assert "Traceback" not in program.stderr()
            if go is not close_output:
                rest_of_output = program.read()
                hangs = busy in ("hanging", "looping")
                assert rest_of_output == (UNDECIDED if hangs else b"")
    assert not left_behind(program.process.pid)


def left_behind(session: int) -> dict[int, str]:
    """The command lines of the processes of a session, by process number."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            # proc(5): after the name in brackets come state, parent, group and session.
            if (process / "stat").read_text().rpartition(")")[2].split()[3] == str(session):
                found[int(process.name)] = (process / "cmdline").read_text()
    return found


def test_a_left_over_process_is_found(tmp_path: Path) -> None:
    config = '[backend]\nkind = "noisy"\ndoes = "leave"\n'
    with Program(tmp_path, config, environment=plugins(tmp_path)) as program:
        assert program.ask(auth("right")) == ALLOW
    left = left_behind(program.process.pid)
    assert ["sleep" in command for command in left.values()] == [True]
    os.kill(next(iter(left)), signal.SIGKILL)
