"""The command line in ``extauth_program``: whether it starts extauth-http, and with which file."""

import shlex
from itertools import pairwise
from pathlib import Path

from extauth_http.config.loader import CONFIG_VARIABLE

NAMES = {"extauth-http", "extauth_http"}


def split(command_line: str) -> list[str]:
    """The words of the command line; empty if the shell would refuse it or not receive it."""
    try:
        return [] if "\0" in command_line else shlex.split(command_line)
    except ValueError:
        return []


def is_ours(command_line: str) -> bool:
    """Whether it starts extauth-http."""
    return any(Path(word).name in NAMES for word in split(command_line))


def is_relay(command_line: str) -> bool:
    """Whether it starts ``extauth-http relay``, which has no configuration of its own."""
    return is_ours(command_line) and "relay" in split(command_line)


def config_argument(command_line: str) -> Path | None:
    """FILE in ``--config FILE``, ``--config=FILE`` or ``env EXTAUTH_HTTP_CONFIG=FILE``."""
    for word, following in pairwise([*split(command_line), ""]):
        if word == "--config" and following:
            return Path(following)
        for prefix in ("--config=", f"{CONFIG_VARIABLE}="):
            if word.startswith(prefix):
                return Path(word.removeprefix(prefix))
    return None


def with_config(command_line: str, file: Path) -> str:
    """The command line with another FILE, as an absolute path, and otherwise unchanged."""
    current = config_argument(command_line)
    if current is None:
        return f"{command_line} --config {shlex.quote(str(file.absolute()))}"
    before, _, after = command_line.rpartition(str(current))
    return f"{before}{file.absolute()}{after}"
