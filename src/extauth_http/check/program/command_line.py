"""What an ``extauth_program`` line names: whether that is this program, and with which file."""

import shlex
from itertools import pairwise
from pathlib import Path

from extauth_http.config.loader import CONFIG_VARIABLE

NAMES = {"extauth-http", "extauth_http"}


def words_of(line: str) -> list[str]:
    """The words of the line, none where the shell would not understand it or get it."""
    try:
        return [] if "\0" in line else shlex.split(line)
    except ValueError:
        return []


def is_ours(line: str) -> bool:
    """Whether the line names this program."""
    return any(Path(word).name in NAMES for word in words_of(line))


def is_relay(line: str) -> bool:
    """Whether it is a relay, whose service has the configuration."""
    return is_ours(line) and "relay" in words_of(line)


def config_in(line: str) -> Path | None:
    """The FILE of ``--config FILE``, or of the variable set by ``env``; as it stands there."""
    for word, following in pairwise([*words_of(line), ""]):
        if word == "--config" and following:
            return Path(following)
        for prefix in ("--config=", f"{CONFIG_VARIABLE}="):
            if word.startswith(prefix):
                return Path(word.removeprefix(prefix))
    return None


def with_config(line: str, file: Path) -> str:
    """The line with this FILE, by its whole path, and nothing else of it changed."""
    named = config_in(line)
    if named is None:
        return f"{line} --config {shlex.quote(str(file.absolute()))}"
    before, _, after = line.rpartition(str(named))
    return f"{before}{file.absolute()}{after}"
