"""The configuration in use, while its files change at the worst moments."""

import json
import socket
import threading
import time
from pathlib import Path

import pytest

from extauth_http.backends.base import Backend
from extauth_http.backends.registry import load
from extauth_http.config.backend import BackendSettings
from extauth_http.config.settings import Settings
from extauth_http.program import live_config as live_config_module
from extauth_http.program.decider import Decider, UnconfiguredDecider
from extauth_http.program.live_config import LiveConfig
from extauth_http.program.log import Log
from extauth_http.protocol.command import Command, Operation
from tests.integration.service import Request, Service, http


@pytest.fixture
def log() -> Log:
    return Log()


def secret_of(live: LiveConfig) -> str:
    deciding = live.current()
    assert isinstance(deciding, Decider)
    assert deciding._default is not None
    return dict(deciding._default.http.headers_with_auth)[b"Authorization"].decode()


def test_a_secret_file_that_changes_during_the_reading_is_read_again(
    tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tmp_path / "token"
    token.write_text("first")
    config = tmp_path / "extauth-http.toml"
    config.write_text(
        '[backend]\nkind = "rest"\nurl = "http://127.0.0.1/"\n'
        f'[backend.service_auth]\nkind = "bearer"\ntoken_file = "{token}"\n'
    )
    names = iter(["second", "third"])

    def loading(file: Path | None) -> Settings:
        settings = load(file)
        if (name := next(names, None)) is not None:
            (tmp_path / "new").write_text(name)
            (tmp_path / "new").rename(token)
        return settings

    monkeypatch.setattr(live_config_module, "load", loading)
    live = LiveConfig(config, log)
    live.reload()
    assert secret_of(live) == "Bearer third"
    token.write_text("fourth")
    assert secret_of(live) == "Bearer fourth"


@pytest.mark.parametrize("error", [PermissionError, SystemExit, KeyboardInterrupt])
def test_any_error_of_the_reading_is_logged_and_tried_again(
    tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def failing(_: Path | None) -> Path | None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(live_config_module, "config_file", failing)
        live = LiveConfig(tmp_path / "extauth-http.toml", log)
        live.reload()
        assert isinstance(live.current(), UnconfiguredDecider)
        assert live._problems == [f"reading the configuration failed: {error.__name__}"]
    monkeypatch.setattr(live_config_module, "RETRY_SECONDS", 0.0)
    live._next_try = 0.0
    (tmp_path / "extauth-http.toml").write_text(
        '[backend]\nkind = "rest"\nurl = "http://127.0.0.1/"\n'
    )
    assert isinstance(live.current(), Decider)


def test_without_a_thread_the_configuration_is_read_at_once(
    tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", no_thread)
    live = LiveConfig(tmp_path / "absent", log)
    live.reload_in_thread()
    decision = live.current().decide(Command(Operation.AUTH, "u", "h", "p"), 0.0, "")
    assert decision.answer.reason == "config"


class ClosedBackend(Backend):
    """Notes that it was closed."""

    def __init__(self, settings: BackendSettings) -> None:
        self.closed = threading.Event()

    def close(self) -> None:
        self.closed.set()


@pytest.fixture
def live(tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch) -> LiveConfig:
    """A configuration whose backend is a ``ClosedBackend``."""
    monkeypatch.setattr("extauth_http.program.decider.backend_class", lambda _: ClosedBackend)
    file = tmp_path / "extauth-http.toml"
    file.write_text('[backend]\nkind = "rest"\nurl = "http://127.0.0.1/"\n')
    live = LiveConfig(file, log)
    live.reload()
    return live


def closed(decider: Decider | UnconfiguredDecider) -> threading.Event:
    """Is set when the backend of a decider is closed."""
    assert isinstance(decider, Decider)
    assert decider._default is not None
    assert isinstance(decider._default.instance, ClosedBackend)
    return decider._default.instance.closed


def test_a_replaced_backend_is_closed_after_the_last_command_that_uses_it(live: LiveConfig) -> None:
    first, second = live.acquire(), live.acquire()
    assert first is second
    live.reload()
    first.release()
    assert not closed(first).wait(0.05)
    assert live.acquire() is not first
    second.release()
    assert closed(first).wait(10)


def test_a_replaced_backend_that_no_command_uses_is_closed_at_once(live: LiveConfig) -> None:
    first = live.acquire()
    first.release()
    assert not closed(first).is_set()
    live.reload()
    assert closed(first).wait(10)


def test_a_backend_that_was_just_replaced_is_not_used(
    live: LiveConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = live.current()

    def replaced() -> Decider | UnconfiguredDecider:
        live.reload()
        return first

    monkeypatch.setattr(live, "current", replaced)
    assert live.acquire() is not first
    assert closed(first).wait(10)


def test_a_close_that_hangs_does_not_delay_the_reload(
    live: LiveConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = threading.Event()
    monkeypatch.setattr(ClosedBackend, "close", lambda _: goes_on.wait(30))
    first = live.current()
    for _ in range(2):
        live.reload()
        assert live.current() is not first
        first = live.current()
    goes_on.set()


def test_a_response_that_nobody_asked_for_is_logged_once(tmp_path: Path) -> None:
    def behave(_: Request, connection: socket.socket) -> None:
        connection.sendall(http(200, "true"))
        is_idle.wait(5)
        connection.sendall(http(200, "true"))

    is_idle = threading.Event()
    log_file = tmp_path / "extauth.log"
    config = tmp_path / "extauth-http.toml"
    with Service(behave) as service:
        config.write_text(
            f'[log]\nfile = "{log_file}"\n[backend]\nkind = "rest"\nurl = "{service.url}"\n'
        )
        live = LiveConfig(config, Log())
        live.reload()
        decider = live.current()
        command = Command(Operation.AUTH, "alice", "example.org", "secret")
        for number in range(3):
            decision = decider.decide(command, time.monotonic() + 5, f"id-{number}")
            assert decision.answer.reason == "allowed"
            is_idle.set()
            time.sleep(0.2)  # the unasked response arrives on the idle connection
        decider.close()
    events = [json.loads(line) for line in log_file.read_text().splitlines()]
    unasked = [event for event in events if event["event"] == "unasked_response"]
    assert [event["level"] for event in unasked] == ["error"]
    assert f"http://localhost:{service.port}" in unasked[0]["detail"]
    assert [request.connection for request in service.requests] == [0, 1, 2]
