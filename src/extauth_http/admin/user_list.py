"""Lists of users in a file or on standard input."""

import re
from collections.abc import Callable
from pathlib import Path

from extauth_http.protocol.jid import Jid

_COMMENT = re.compile(r"(?:^|\s)#")


class UserListError(Exception):
    """The users of a command cannot be read. Nothing was changed."""


def read_users(name: str, read_stdin: Callable[[], bytes]) -> list[Jid]:
    """The users in a file, or on standard input if its name is ``-``. Raises UserListError."""
    try:
        content = read_stdin() if name == "-" else Path(name).read_bytes()
        name = "standard input" if name == "-" else name
        # Lists from other systems may begin with a byte order mark.
        return parse_users(content.decode("utf-8-sig"), name)
    except OSError as error:
        raise UserListError(f"{name}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserListError(f"{name}: not UTF-8 text") from None


def parse_users(text: str, name: str) -> list[Jid]:
    """The users in a text with one JID on each line, without duplicates.

    ``#`` begins a comment at the start of a line and after a space: a user name may contain it.
    ``name`` is the source in errors. Raises UserListError.
    """
    users: dict[Jid, None] = {}
    for number, line in enumerate(text.split("\n"), 1):
        word = _COMMENT.split(line, maxsplit=1)[0].strip()
        if not word:
            continue
        try:
            users[Jid.parse(word)] = None
        except ValueError:
            # Not the line itself: a password may follow the name.
            problem = f"{name}:{number}: expected one USER@HOST on a line; nothing was changed"
            raise UserListError(problem) from None
    if not users:
        raise UserListError(f"{name}: contains no users")
    return list(users)
