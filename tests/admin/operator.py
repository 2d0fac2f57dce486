"""The commands as an operator runs them."""

import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from extauth_http.cli import main
from tests.admin.fake_ejabberd import FakeEjabberd

EXECUTABLE = Path(sys.executable).parent / "extauth-http"
Play = Callable[..., FakeEjabberd]
ROOM = "tea@conference.example.org"


@dataclass(frozen=True)
class Result:
    """The result of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def states(self) -> dict[str, str]:
        return {each["target"]: each["state"] for each in self.json["outcomes"]}


class Operator:
    """Runs commands in this process, with nothing at the terminal."""

    def __init__(
        self, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.folder = folder
        self.config = folder / "extauth-http.toml"
        self._capsys = capsys
        self._monkeypatch = monkeypatch

    def configure(self, api: str, more: str = "") -> None:
        """``more`` follows in the ``ejabberd`` table or after it."""
        self.config.write_text(f'[ejabberd]\napi = "{api}"\ntimeout = 5\n{more}\n')

    def __call__(self, *arguments: str, stdin: bytes = b"") -> Result:
        self._monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        self._capsys.readouterr()
        try:
            code = main(["--config", str(self.config), *arguments])
        except SystemExit as end:
            code = int(end.code or 0)
        captured = self._capsys.readouterr()
        # Where the look for credentials at the end of the run finds it.
        for name, text in (("stdout", captured.out), ("stderr", captured.err)):
            with (self.folder / name).open("a") as file:
                file.write(text)
        return Result(code, captured.out, captured.err)
