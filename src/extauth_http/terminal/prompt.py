"""A credential from the terminal or from standard input, never from the command line."""

import getpass
import sys

from extauth_http.protocol.packet_parser import MAX_PACKET


class CredentialInputError(Exception):
    """There is no usable credential. The message never contains any part of it."""


def read_credential(kind: str, prompt: str) -> str:
    """Asks for a credential at the terminal without echo, or reads the first line of standard
    input when that is not a terminal.

    ``kind`` is the word for it in messages, such as ``password``. The line end is removed. Raises
    CredentialInputError for no input, an empty line, more than MAX_PACKET bytes, and bytes that
    are not UTF-8.
    """
    credential = _read(kind, prompt)
    if not credential:
        raise CredentialInputError(
            f"no {kind} given: enter it at the prompt or write it to standard input"
        )
    return credential


def _read(kind: str, prompt: str) -> str:
    if sys.stdin is None:  # the descriptor is closed
        return ""
    if sys.stdin.isatty():
        try:
            return getpass.getpass(prompt)
        except EOFError:
            return ""
        except UnicodeDecodeError:
            raise CredentialInputError(f"the {kind} is not UTF-8") from None
    line = sys.stdin.buffer.readline(MAX_PACKET + 1)
    if len(line) > MAX_PACKET:
        raise CredentialInputError(f"the {kind} is longer than a packet ({MAX_PACKET} bytes)")
    try:
        return line.rstrip(b"\r\n").decode()
    except UnicodeDecodeError:
        raise CredentialInputError(f"the {kind} on standard input is not UTF-8") from None
