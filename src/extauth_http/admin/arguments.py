"""The arguments of ``extauth-http user`` and ``extauth-http room``."""

import argparse
import contextlib
import re
from collections.abc import Callable
from functools import partial

from extauth_http.admin import (
    ban_commands,
    revoke_command,
    room_access_commands,
    room_commands,
    user_commands,
)
from extauth_http.admin.command import Action, run
from extauth_http.config.durations import parse_duration
from extauth_http.protocol.jid import Jid
from extauth_http.terminal.argument_types import argument_type

MAX_GRACE = 3600.0  # seconds
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def add_user_commands(parser: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    """Adds the commands about users. Each takes the options of ``common``."""
    add = _adder(parser, common)
    sessions = add("sessions", user_commands.show_sessions, "list the sessions of a user")
    sessions.add_argument("user", type=_user, metavar="USER@HOST")
    notify = add(
        "notify", user_commands.notify, "send a message from the server to every session of users"
    )
    _add_users(notify)
    notify.add_argument("text", type=_required_text, metavar="TEXT", help="the message")
    kick = add("kick", user_commands.kick, "end all sessions of users, or one session")
    _add_users(kick)
    _add_notification(kick)
    kick.add_argument(
        "--resource", type=_required_text, metavar="NAME", help="end only this session"
    )
    kick.add_argument(
        "--reason", type=_text, default="", metavar="TEXT", help="the reason that the client sees"
    )
    _add_revoke(add)
    _add_bans(add)


def _add_revoke(add: "_Add") -> None:
    revoke = add(
        "revoke",
        revoke_command.revoke_user,
        "end the access of users whose credential was revoked at the service: verify that the "
        "service refuses it, delete what ejabberd has stored, end all sessions",
    )
    _add_users(revoke)
    _add_notification(revoke)
    revoke.add_argument(
        "--no-verify",
        action="store_true",
        help="do not verify that the service refuses the credential",
    )
    revoke.add_argument(
        "--keep-caches",
        action="store_true",
        help="do not clear ejabberd's caches; use this with auth_use_cache: false",
    )
    revoke.add_argument(
        "--no-fast",
        action="store_true",
        help="leave FAST tokens out of the result; use this if mod_auth_fast is not enabled",
    )
    revoke.add_argument(
        "--ban",
        action="store_true",
        help="ban the users as well (ejabberd 25.08 and newer; needs mod_private)",
    )


def _add_bans(add: "_Add") -> None:
    ban = add(
        "ban",
        ban_commands.ban,
        "ban users: ejabberd refuses their passwords without a request to the service, and ends "
        "their sessions (ejabberd 25.08 and newer; needs mod_private)",
    )
    _add_users(ban)
    ban.add_argument(
        "--reason", type=_text, default="", metavar="TEXT", help="the reason that ejabberd stores"
    )
    _add_users(add("unban", ban_commands.unban, "lift the ban of users"))
    add("bans", ban_commands.show_bans, "list the banned users (ejabberd 25.10 and newer)")


def add_room_commands(parser: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    """Adds the commands about rooms. Each takes the options of ``common``."""
    add = _adder(parser, common)
    _add_create(add)
    listing = add("list", room_commands.list_rooms, "list the rooms that are online")
    listing.add_argument(
        "service",
        type=_required_text,
        nargs="?",
        default="global",
        metavar="SERVICE",
        help="a MUC service (default: all)",
    )
    _add_room(add("show", room_commands.show, "show occupants, affiliations and options"))
    _add_invite(add)
    _add_remove(add)
    nick = add("unregister-nick", room_commands.unregister_nick, "unregister the nick of a user")
    nick.add_argument("user", type=_user, metavar="USER@HOST")
    nick.add_argument("service", type=_required_text, metavar="SERVICE")
    destroy = add("destroy", room_commands.destroy, "destroy a room")
    _add_room(destroy)
    _add_notification(destroy)
    add("repair", room_commands.repair, "lift bans that an interrupted removal left")


def _add_create(add: "_Add") -> None:
    create = add("create", room_commands.create, "create a room")
    _add_room(create)
    create.add_argument(
        "--option",
        type=_option,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a room option, such as persistent=true or members_only=true; can be repeated",
    )
    create.add_argument(
        "--host", help="the virtual host of the service, if it does not follow from its name"
    )


def _add_invite(add: "_Add") -> None:
    invite = add("invite", room_access_commands.invite, "invite users to a room (XEP-0249)")
    _add_room(invite)
    _add_users(invite)
    invite.add_argument(
        "--reason", type=_text, default="", metavar="TEXT", help="the reason that the users see"
    )
    invite.add_argument(
        "--password",
        type=_text,
        default="",
        help="the password of the room, which is sent with the invitation",
    )
    invite.add_argument("--member", action="store_true", help="make the users members as well")


def _add_remove(add: "_Add") -> None:
    remove = add(
        "remove",
        room_access_commands.remove,
        "remove users from a room; their sessions stay, and no ban is left",
    )
    _add_room(remove)
    _add_users(remove)
    _add_notification(remove)
    remove.add_argument(
        "--reason",
        type=_text,
        default="",
        metavar="TEXT",
        help="the reason that the room sees, if room_admin moderates the room",
    )
    bans = remove.add_mutually_exclusive_group()
    bans.add_argument("--ban", action="store_true", help="ban the users as well")
    bans.add_argument("--unban", action="store_true", help="only lift the ban of the users")


_Add = Callable[[str, Action, str], argparse.ArgumentParser]
"""Adds a command from its name, its action and its help."""


def _adder(parser: argparse.ArgumentParser, common: argparse.ArgumentParser) -> _Add:
    commands = parser.add_subparsers(metavar="COMMAND", title="commands", required=True)

    def add(name: str, action: Action, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text, parents=[common])
        command.add_argument("--json", action="store_true", help="print one line of JSON")
        command.add_argument(
            "--dry-run", action="store_true", help="change nothing; show the calls that would"
        )
        command.add_argument("--yes", action="store_true", help="do not ask before the change")
        command.set_defaults(run=partial(run, action=action))
        return command

    return add


def _add_users(command: argparse.ArgumentParser) -> None:
    command.add_argument("users", type=_user, nargs="*", metavar="USER@HOST")
    command.add_argument(
        "--from",
        dest="source",
        metavar="FILE",
        help="file with one USER@HOST on each line; # begins a comment; - is standard input",
    )


def _add_notification(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--notify",
        type=_text,
        default="",
        metavar="TEXT",
        help="send this message first, then wait for --grace",
    )
    command.add_argument(
        "--grace",
        type=_grace,
        default=10.0,
        metavar="TIME",
        help="the time after --notify, at most 1h (default: 10s)",
    )


def _add_room(command: argparse.ArgumentParser) -> None:
    command.add_argument("room", type=_room, metavar="ROOM@SERVICE")


_user = argument_type(Jid.parse)
_room = argument_type(partial(Jid.parse, kind="ROOM@SERVICE"))


@argument_type
def _text(text: str) -> str:
    """Text that a stanza can hold: XML has no other characters (XML 1.0 section 2.2)."""
    if _NOT_XML.search(text):
        raise ValueError("expected text without control characters, in UTF-8")
    return text


@argument_type
def _required_text(text: str) -> str:
    """An empty name would mean everything, or nothing."""
    if not text.strip():
        raise ValueError("expected text that is not empty")
    return _text(text)


@argument_type
def _option(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise ValueError(f"expected NAME=VALUE, such as persistent=true, not {text!r}")
    return _text(name), _text(value)


@argument_type
def _grace(text: str) -> float:
    with contextlib.suppress(ValueError):
        seconds = parse_duration(text, needs_unit=False)
        if seconds <= MAX_GRACE:
            return seconds
    raise ValueError(f"expected a duration of at most 1h, such as 10s or 2m, not {text!r}")
