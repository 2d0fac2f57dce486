"""Why the shell cannot start the executable of an ``extauth_program``."""

import os
import shlex
from pathlib import Path

from extauth_http.check.account import Account
from extauth_http.check.program.command_line import split

NO_PROBLEM = ("", "")


def start_problem(command_line: str, account: Account) -> tuple[str, str]:
    """The problem of the executable and the command that fixes it. Both may be empty.

    Only a command line that begins with an absolute path is checked.
    """
    words = split(command_line)
    if not words or not words[0].startswith("/"):
        return NO_PROBLEM
    file = Path(words[0])
    closed = [each for each in reversed(file.parents) if not account.can("-x", each)]
    if closed:
        if account.can("-e", closed[0]):
            return f"{account.name} cannot enter {closed[0]}. Install the program elsewhere", ""
        return f"{closed[0]} does not exist", ""
    if not account.can("-e", file):
        return f"{file} does not exist", ""
    if account.can("-d", file):
        return f"{file} is a folder", ""
    if not account.can("-x", file):
        return f"{account.name} may not execute {file}", f"chmod a+rx {shlex.quote(str(file))}"
    return _interpreter_problem(file, account)


def _interpreter_problem(file: Path, account: Account) -> tuple[str, str]:
    """The problem of the first line of a script (execve(2))."""
    first = (account.run("head", "-c", "256", str(file)) or b"").split(b"\n")[0]
    if not first.startswith(b"#!"):
        return NO_PROBLEM
    if first.endswith(b"\r"):
        line = f"sed -i 's/\\r$//' {shlex.quote(str(file))}"
        return f"{file} has Windows line ends, so its interpreter is not found", line
    words = first[2:].decode(errors="replace").split()
    if words and not account.can("-x", Path(words[0])):
        real = os.path.realpath(words[0])
        target = f" (a link to {real})" if real != words[0] else ""
        return f"{account.name} cannot execute {words[0]}{target}, its interpreter", ""
    return NO_PROBLEM
