"""The options of ``extauth-http relay``: their defaults, their limits and a small parser.

argparse would double the memory of a relay. This file imports nothing but ``relay.py``, and the
parser here leaves ``--help`` and every error to argparse (``arguments.py``).
"""

from extauth_http.service.relay import UNDECIDED_REPLIES

DEFAULT_SOCKET = "/run/extauth-http/port.sock"
DEFAULT_DIALECT = "ejabberd"
DEFAULT_DEADLINE = 9.0
"""Seconds. More than the default deadline of the service (8 s), less than the shortest timeout of
a server (10 s)."""

MIN_DEADLINE, MAX_DEADLINE = 0.1, 28.0
"""Seconds. The service accepts a deadline of 0.1 to 25 s; ejabberd waits 30 s."""


def parse_deadline(text: str) -> float:
    """The seconds of ``--deadline``. Raises ValueError."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not MIN_DEADLINE <= seconds <= MAX_DEADLINE:  # false for nan as well
        expected = f"expected {MIN_DEADLINE:g} to {MAX_DEADLINE:g} seconds"
        raise ValueError(f"{expected}, not {text!r}")
    return seconds


def parse_arguments(arguments: list[str]) -> tuple[str, str, float] | None:
    """The socket path, dialect and deadline of a command line.

    Returns None if the command line has an error or asks for help. The parser of ``cli.py`` then
    takes over. It is not used for every relay because argparse doubles the memory of a relay.
    """
    path, dialect, deadline = DEFAULT_SOCKET, DEFAULT_DIALECT, DEFAULT_DEADLINE
    rest = iter(arguments)
    for argument in rest:
        name, equals, value = argument.partition("=")
        if not equals:
            value = next(rest, "")
            if value.startswith("-"):
                return None
        if name == "--socket" and value:
            path = value
        elif name == "--dialect" and value in UNDECIDED_REPLIES:
            dialect = value
        elif name == "--deadline":
            try:
                deadline = parse_deadline(value)
            except ValueError:
                return None
        else:
            return None
    return path, dialect, deadline
