"""The states that systemd receives."""

import socket
from pathlib import Path

import pytest

from extauth_http.service.notify import notify


@pytest.mark.parametrize(
    ("variable", "address"),
    [
        ("{folder}/notify.sock", "{folder}/notify.sock"),
        ("{folder}/ejabberd@node/notify.sock", "{folder}/ejabberd@node/notify.sock"),
        ("@{folder}", "\0{folder}"),
        ("@{folder}/ejabberd@node", "\0{folder}/ejabberd@node"),
    ],
    ids=["path", "path with @", "abstract", "abstract with @"],
)
def test_a_state_is_sent_to_the_address_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, address: str
) -> None:
    (tmp_path / "ejabberd@node").mkdir()
    monkeypatch.setenv("NOTIFY_SOCKET", variable.format(folder=tmp_path))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.settimeout(5)
        receiver.bind(address.format(folder=tmp_path))
        notify("READY=1")
        assert receiver.recv(100) == b"READY=1"


@pytest.mark.parametrize("variable", [None, "", "/does/not/exist"])
def test_without_a_receiver_nothing_happens(
    monkeypatch: pytest.MonkeyPatch, variable: str | None
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if variable is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", variable)
    notify("READY=1")
