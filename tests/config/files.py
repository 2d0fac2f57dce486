"""Configuration files that tests write, and the errors that they lead to."""

from pathlib import Path

import pytest

from extauth_http.backends.registry import load
from extauth_http.config.loader import ConfigError

REST = '[backend]\nkind = "rest"\nurl = "http://127.0.0.1:8080/xmpp"\n'


class Writer:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "extauth-http.toml"

    def __call__(self, text: str) -> Path:
        self.file.write_text(text)
        return self.file

    def secret(self, name: str, text: str) -> Path:
        file = self.folder / name
        file.write_text(text)
        return file


def problem(file: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load(file)
    return "\n".join(caught.value.problems)
