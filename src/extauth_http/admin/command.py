"""What each admin command begins with, and how each ends: the server it talks to and the screen."""

import argparse
import io
import os
import sys
from collections.abc import Callable

from extauth_http.admin.outcome import TROUBLE, UserListError, read_list
from extauth_http.admin.output import NoTerminalError, Screen
from extauth_http.config.ejabberd import load_ejabberd
from extauth_http.config.loader import ConfigError, config_file
from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.ejabberd_api.errors import ApiError
from extauth_http.protocol.jid import Jid

GOOD, BAD, UNUSABLE, INTERRUPTED = 0, 1, 2, 130

Work = Callable[[argparse.Namespace, ApiClient, Screen], int]


def run(arguments: argparse.Namespace, work: Work) -> int:
    """Does a command's work and gives its exit code: 0 done, 1 not all is done or known to be, 2
    nothing could be begun, 130 after Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What was done is told also where the terminal cannot show each letter of it.
            stream.reconfigure(errors="backslashreplace")
    screen = Screen(as_json=arguments.json, is_dry=arguments.dry_run)
    try:
        configured = load_ejabberd(config_file(arguments.config))
        for warning in configured.warnings():
            screen.note(f"extauth-http: {warning}")
        api = ApiClient(configured, screen.would_call if arguments.dry_run else None)
    except ConfigError as bad:
        return _end(screen, str(bad), UNUSABLE)
    except ApiError as error:
        return _end(screen, error.message, UNUSABLE)
    try:
        return work(arguments, api, screen)
    except (UserListError, NoTerminalError) as why:
        return _end(screen, str(why), UNUSABLE)
    except TROUBLE as error:
        advice = str(error.hint or "") if isinstance(error, ApiError) else ""
        return _end(screen, str(error), BAD, advice)
    except KeyboardInterrupt:
        return _end(screen, "interrupted", INTERRUPTED)
    except BrokenPipeError:
        # Nobody reads any more; Python's own last flush shall not complain of it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ else 1)
        return BAD
    finally:
        api.close()


def agreed(arguments: argparse.Namespace, api: ApiClient, screen: Screen, question: str) -> bool:
    """Whether to go on with what ends something. Raises NobodyToAsk."""
    if arguments.yes or api.is_dry_run or screen.agrees(question):
        return True
    screen.note("nothing was done")
    return False


def targets_of(arguments: argparse.Namespace) -> list[Jid]:
    """Who is meant: those that are named, or those of a file. Raises BadList."""
    named: list[Jid] = list(dict.fromkeys(arguments.users))
    if named and arguments.source:
        raise UserListError("expected users, or --from FILE, not both")
    if arguments.source:
        return read_list(arguments.source, standard_input)
    if not named:
        raise UserListError("expected USER@HOST, or --from FILE with one a line")
    return named


def standard_input() -> bytes:
    """Everything on standard input, as a list of users may come."""
    return sys.stdin.buffer.read() if sys.stdin else b""


def _end(screen: Screen, text: str, code: int, advice: str = "") -> int:
    screen.note(f"extauth-http: {text}" + (f"\n\n{advice}" if advice else ""))
    return code
