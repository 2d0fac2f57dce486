"""The configuration in use, while its files change at the worst moments."""

import threading
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
