"""How each command begins and ends: the configuration, the client, the targets, the exit code."""

import argparse
import io
import sys
import time
from collections.abc import Callable

from extauth_http.admin.bans import BanUnsupportedError
from extauth_http.admin.outcomes import FAILURES
from extauth_http.admin.output import NoTerminalError, Output
from extauth_http.admin.user_list import UserListError, read_users
from extauth_http.config.ejabberd import load_ejabberd
from extauth_http.config.loader import ConfigError, config_file
from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.ejabberd_api.errors import ApiError
from extauth_http.protocol.jid import Jid
from extauth_http.terminal.broken_pipe import discard_stdout

DONE, NOT_DONE, UNUSABLE, INTERRUPTED = 0, 1, 2, 130
"""Exit codes: all is done; something is not done or not known; nothing could begin; Ctrl-C."""

Action = Callable[[argparse.Namespace, ApiClient, Output], int]


def run(arguments: argparse.Namespace, action: Action) -> int:
    """Runs the action of a command and returns its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show each character must not hide what was done.
            stream.reconfigure(errors="backslashreplace")
    output = Output(as_json=arguments.json, is_dry_run=arguments.dry_run)
    try:
        settings = load_ejabberd(config_file(arguments.config))
        for warning in settings.warnings():
            output.note(f"extauth-http: {warning}")
        api = ApiClient(settings, output.would_call if arguments.dry_run else None)
    except ConfigError as error:
        return _fail(output, str(error), UNUSABLE)
    except ApiError as error:
        return _fail(output, error.message, UNUSABLE)
    try:
        return action(arguments, api, output)
    except (UserListError, NoTerminalError, BanUnsupportedError, ConfigError) as error:
        return _fail(output, str(error), UNUSABLE)
    except FAILURES as error:
        hint = error.hint if isinstance(error, ApiError) else None
        return _fail(output, f"{error}\n\n{hint}" if hint else str(error), NOT_DONE)
    except KeyboardInterrupt:
        return _fail(output, "interrupted", INTERRUPTED)
    except BrokenPipeError:
        discard_stdout()
        return NOT_DONE
    finally:
        api.close()


def confirmed(arguments: argparse.Namespace, api: ApiClient, output: Output, question: str) -> bool:
    """Whether to end something. Raises NoTerminalError without a terminal to confirm at."""
    if arguments.yes or api.is_dry_run or output.confirm(question):
        return True
    output.note("nothing was changed")
    return False


def wait_after_notification(arguments: argparse.Namespace, api: ApiClient, output: Output) -> None:
    """Gives the notified users the time of ``--grace``."""
    if not api.is_dry_run:
        output.note(f"waiting {arguments.grace:g} s")
        time.sleep(arguments.grace)


def targets_of(arguments: argparse.Namespace) -> list[Jid]:
    """The users of the command line, or those of ``--from``. Raises UserListError."""
    users: list[Jid] = list(dict.fromkeys(arguments.users))
    if users and arguments.source:
        raise UserListError("expected USER@HOST or --from FILE, not both")
    if arguments.source:
        return read_users(arguments.source, read_stdin)
    if not users:
        raise UserListError("expected USER@HOST, or --from FILE with one on each line")
    return users


def read_stdin() -> bytes:
    """Everything on standard input; empty if it is closed."""
    return sys.stdin.buffer.read() if sys.stdin else b""


def _fail(output: Output, text: str, code: int) -> int:
    output.note(f"extauth-http: {text}")
    return code
