"""Error messages of the commands, on standard error."""

import sys

from extauth_http.terminal.printable import printable_lines


def print_error(message: str) -> int:
    """Prints ``extauth-http: message``. Returns 2, the exit code of a command that cannot run."""
    print(f"extauth-http: {printable_lines(message)}", file=sys.stderr)
    return 2
