"""The configuration in use, where a real file cannot be had to change at the right moment."""

import threading
from pathlib import Path

import pytest

from extauth_http.backends.registry import load
from extauth_http.config.settings import Settings
from extauth_http.program import live_config as reload_module
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
    ((_, value),) = deciding._default.http.service_headers
    return value.decode()


def test_a_secret_that_is_rewritten_while_it_is_read_is_read_again(
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

    monkeypatch.setattr(reload_module, "load", loading)
    live = LiveConfig(config, log)
    live.reload()
    assert secret_of(live) == "Bearer third"
    token.write_text("fourth")
    assert secret_of(live) == "Bearer fourth"


@pytest.mark.parametrize("error", [PermissionError, SystemExit, KeyboardInterrupt])
def test_whatever_fails_at_reading_is_logged_and_tried_again(
    tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def failing(_: Path | None) -> Path | None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(reload_module, "config_file", failing)
        live = LiveConfig(tmp_path / "extauth-http.toml", log)
        live.reload()
        assert isinstance(live.current(), UnconfiguredDecider)
        assert live._problems == [f"reading the configuration failed: {error.__name__}"]
    monkeypatch.setattr(reload_module, "RETRY_SECONDS", 0.0)
    live._next_try = 0.0
    (tmp_path / "extauth-http.toml").write_text(
        '[backend]\nkind = "rest"\nurl = "http://127.0.0.1/"\n'
    )
    assert isinstance(live.current(), Decider)


def test_it_is_read_at_once_where_no_thread_can_be_had_for_it(
    tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", no_thread)
    live = LiveConfig(tmp_path / "absent", log)
    live.reload_in_thread()
    decision = live.current().decide(Command(Operation.AUTH, "u", "h", "p"), 0.0, "")
    assert decision.answer.reason == "config"
