"""Writes the completion of a shell to standard output: ``completion.py bash``, or ``zsh``.

shtab makes it of the arguments of all commands, as argparse knows them.
"""

import argparse
import sys

import shtab

from extauth_http.cli import complete_parser

FILES = {"FILE", "PATH"}
"""What the arguments are called whose values are files."""


def completion(parser: argparse.ArgumentParser, shell: str) -> str:
    _complete_files(parser)
    script: str = shtab.complete(parser, shell)
    return script


def _complete_files(parser: argparse.ArgumentParser) -> None:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _complete_files(command)
        elif action.metavar in FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]


if __name__ == "__main__":
    sys.stdout.write(completion(complete_parser(), sys.argv[1]))
