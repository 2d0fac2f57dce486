"""Why the shell could not start what an ``extauth_program`` line names."""

import os
import shlex
from pathlib import Path

from extauth_http.check.account import Account
from extauth_http.check.program.command_line import words_of


def why_not(line: str, account: Account) -> tuple[str, str]:
    """What is wrong with the file that the line starts, and the command that mends it; empty where
    nothing is seen. Only a line that begins with an absolute path is looked at."""
    words = words_of(line)
    if not words or not words[0].startswith("/"):
        return ("", "")
    file = Path(words[0])
    name = shlex.quote(str(file))
    closed = [each for each in reversed(file.parents) if not account.can("-x", each)]
    if closed:
        if account.can("-e", closed[0]):
            return f"{account.name} cannot get into {closed[0]}; put it where it can", ""
        return f"{closed[0]} is not there", ""
    if not account.can("-e", file):
        return f"{file} is not there", ""
    if account.can("-d", file):
        return f"{file} is a folder", ""
    if not account.can("-x", file):
        return f"{account.name} may not run {file}", f"chmod a+rx {name}"
    return _interpreter(file, account)


def _interpreter(file: Path, account: Account) -> tuple[str, str]:
    """What is wrong with the first line of a script (execve(2))."""
    first = (account.run("head", "-c", "256", str(file)) or b"").split(b"\n")[0]
    if not first.startswith(b"#!"):
        return ("", "")
    name = shlex.quote(str(file))
    if first.endswith(b"\r"):
        said = f"{file} has the line ends of Windows, and no interpreter's name ends in one"
        return said, f"sed -i 's/\\r$//' {name}"
    words = first[2:].decode(errors="replace").split()
    if words and not account.can("-x", Path(words[0])):
        real = os.path.realpath(words[0])
        also = f" (that is {real})" if real != words[0] else ""
        return f"{account.name} cannot run {words[0]}{also}, which the first line of it names", ""
    return ("", "")
