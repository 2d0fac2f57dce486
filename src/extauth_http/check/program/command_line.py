"""The command line in ``extauth_program``: whether it starts extauth-http, and with which file."""

import re
import shlex
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from extauth_http.config.loader import CONFIG_VARIABLE

NAMES = {"extauth-http", "extauth_http"}
RELAY_SCRIPT = "extauth-http-relay"
"""The usual name of the file that ``extauth-http relay --print-script`` prints."""
CONFIG_OPTION = "--config"
DEFAULT_PROGRAM = Path("/opt/extauth-http/bin/extauth-http")

_WORD = re.compile(
    r"""(?: [^\s'"\\] | \\. | '[^']*' | "(?: [^"\\] | \\. )*" )+""", re.VERBOSE | re.DOTALL
)
"""A word of the shell with its quotes (POSIX, Shell Command Language 2.2)."""


def split(command_line: str) -> list[str]:
    """The words of the command line; empty if the shell would refuse it or not receive it."""
    try:
        return [] if "\0" in command_line else shlex.split(command_line)
    except ValueError:
        return []


def is_ours(command_line: str) -> bool:
    """Whether it starts extauth-http or its relay."""
    return bool(_file_names(command_line) & {*NAMES, RELAY_SCRIPT})


def is_relay(command_line: str) -> bool:
    """Whether it starts ``extauth-http relay``, which has no configuration of its own."""
    names = _file_names(command_line)
    return RELAY_SCRIPT in names or (bool(names & NAMES) and "relay" in split(command_line))


def _file_names(command_line: str) -> set[str]:
    return {Path(word).name for word in split(command_line)}


def suggested_program(config: Path | None) -> str:
    """The command line that starts this installation with a configuration."""
    this = Path(sys.argv[0])
    words = [str(this.absolute() if this.name == "extauth-http" else DEFAULT_PROGRAM)]
    if config:
        words += [CONFIG_OPTION, str(config.absolute())]
    return shlex.join(words)


def config_argument(command_line: str) -> Path | None:
    """FILE in ``--config FILE``, ``--config=FILE`` or ``env EXTAUTH_HTTP_CONFIG=FILE``.

    As in the program itself, the option comes before the variable, and the last of several counts.
    """
    argument = _config_argument(command_line)
    return Path(argument.value) if argument else None


def with_config(command_line: str, file: Path) -> str:
    """The command line with another FILE, as an absolute path, and otherwise unchanged."""
    target = str(file.absolute())
    argument = _config_argument(command_line)
    if argument is None:
        return f"{command_line} --config {shlex.quote(target)}"
    word = argument.word
    quoted = shlex.quote(target)
    # A path that needs no quotes can stand in those of the old one.
    written = word.written.replace(argument.value, target) if quoted == target else ""
    if split(written) != [f"{argument.prefix}{target}"]:
        written = argument.prefix + quoted
    return command_line[: word.start] + written + command_line[word.end :]


@dataclass(frozen=True, slots=True)
class _Word:
    """One word of a command line: ``written`` with quotes and backslashes, from ``start`` to
    ``end``, and its value."""

    written: str
    start: int
    end: int
    value: str


@dataclass(frozen=True, slots=True)
class _ConfigArgument:
    """The word that names the file. ``prefix`` is what is before the file, ``value`` the file."""

    word: _Word
    prefix: str

    @property
    def value(self) -> str:
        return self.word.value.removeprefix(self.prefix)


def _config_argument(command_line: str) -> _ConfigArgument | None:
    found: dict[str, _ConfigArgument] = {}
    option, variable = f"{CONFIG_OPTION}=", f"{CONFIG_VARIABLE}="
    words = _words(command_line)
    for before, word in pairwise([None, *words]):
        if word and before and before.value == CONFIG_OPTION:
            found[option] = _ConfigArgument(word, "")
            continue
        for prefix in (option, variable):
            if word and word.value.startswith(prefix):
                found[prefix] = _ConfigArgument(word, prefix)
    named = [found[each] for each in (option, variable) if each in found and found[each].value]
    return named[0] if named else None


def _words(command_line: str) -> list[_Word]:
    if not split(command_line):
        return []
    return [
        _Word(found[0], *found.span(), "".join(shlex.split(found[0])))
        for found in _WORD.finditer(command_line)
    ]
