"""The arguments of ``extauth-http user`` and ``extauth-http room``."""

import argparse
import math
import re
from collections.abc import Callable
from functools import partial

from extauth_http.admin import room_commands, user_commands
from extauth_http.admin.command import Work, run
from extauth_http.protocol.jid import Jid

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}
_MAX_GRACE = 3600.0  # seconds
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def of_user(parser: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    """Adds the commands about users. Each takes the options of ``common``."""
    add = _adder(parser, common)
    sessions = add("sessions", user_commands.sessions, "who is on, from where, since when")
    sessions.add_argument("user", type=_user, metavar="USER@HOST")
    notify = add("notify", user_commands.notify, "a message from the server to every session")
    _many(notify)
    notify.add_argument("text", type=_told, help="what the user is told")
    kick = add("kick", user_commands.kick, "end all sessions, or one")
    _many(kick)
    _ends(kick)
    kick.add_argument("--resource", type=_told, metavar="NAME", help="end this session only")
    kick.add_argument("--reason", type=_text, default="", help="what the client is told as it ends")
    revoke = add(
        "revoke",
        user_commands.revoke_user,
        "after a credential was revoked at the service: everything that makes it final",
    )
    _many(revoke)
    _ends(revoke)
    revoke.add_argument(
        "--no-verify",
        action="store_true",
        help="do not ask the service first whether it refuses the credential",
    )
    revoke.add_argument(
        "--keep-caches",
        action="store_true",
        help="leave ejabberd's caches: right with auth_use_cache: false",
    )
    revoke.add_argument(
        "--no-fast",
        action="store_true",
        help="mod_auth_fast is not on: say nothing of its tokens",
    )


def of_room(parser: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    """Adds the commands about rooms. Each takes the options of ``common``."""
    add = _adder(parser, common)
    create = add("create", room_commands.create, "make a room")
    _room(create)
    create.add_argument(
        "--option",
        type=_option,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="such as persistent=true or members_only=true; may be repeated",
    )
    create.add_argument("--host", help="the virtual host, where SERVICE's name does not tell")
    listing = add("list", room_commands.listing, "the rooms that are online")
    listing.add_argument(
        "service", type=_told, nargs="?", default="global", metavar="SERVICE", help="default: all"
    )
    _room(add("show", room_commands.show, "occupants, affiliations and options"))
    invite = add("invite", room_commands.invite, "invite users (XEP-0249)")
    _room(invite)
    _many(invite)
    invite.add_argument("--reason", type=_text, default="", help="what they are told")
    invite.add_argument(
        "--password",
        type=_text,
        default="",
        help="the room's password, which goes with the invitation",
    )
    invite.add_argument("--member", action="store_true", help="make them members, too")
    remove = add(
        "remove", room_commands.remove, "out of the room; the session stays, and no ban is left"
    )
    _room(remove)
    _many(remove)
    _ends(remove)
    remove.add_argument(
        "--reason", type=_text, default="", help="what the room is told, where it is kicked"
    )
    bans = remove.add_mutually_exclusive_group()
    bans.add_argument("--ban", action="store_true", help="and keep the user out")
    bans.add_argument("--unban", action="store_true", help="take a ban away, and nothing else")
    nick = add("unregister-nick", room_commands.unregister_nick, "free a registered nick")
    nick.add_argument("user", type=_user, metavar="USER@HOST")
    nick.add_argument("service", type=_told, metavar="SERVICE")
    destroy = add("destroy", room_commands.destroy, "end a room")
    _room(destroy)
    _ends(destroy)
    add("mend", room_commands.mend, "take away bans that an interrupted removal left")


def _adder(
    parser: argparse.ArgumentParser, common: argparse.ArgumentParser
) -> Callable[[str, Work, str], argparse.ArgumentParser]:
    commands = parser.add_subparsers(metavar="COMMAND", title="commands", required=True)

    def add(name: str, work: Work, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text, parents=[common])
        command.add_argument("--json", action="store_true", help="the result in one line of JSON")
        command.add_argument(
            "--dry-run", action="store_true", help="change nothing: show the calls that would"
        )
        command.add_argument("--yes", action="store_true", help="do not ask at the terminal")
        command.set_defaults(run=partial(run, work=work))
        return command

    return add


def _many(command: argparse.ArgumentParser) -> None:
    command.add_argument("users", type=_user, nargs="*", metavar="USER@HOST")
    command.add_argument(
        "--from",
        dest="source",
        metavar="FILE",
        help="users, one a line; # begins a comment; - for standard input",
    )


def _ends(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--notify", type=_text, default="", metavar="TEXT", help="tell this first, and wait"
    )
    command.add_argument(
        "--grace",
        type=_seconds,
        default=10.0,
        metavar="TIME",
        help="how long, an hour at most; default: 10s",
    )


def _room(command: argparse.ArgumentParser) -> None:
    command.add_argument("room", type=_room_jid, metavar="ROOM@SERVICE")


def _user(text: str) -> Jid:
    return _jid(text, "USER@HOST")


def _room_jid(text: str) -> Jid:
    return _jid(text, "ROOM@SERVICE")


def _jid(text: str, kind: str) -> Jid:
    try:
        return Jid.parse(text, kind)
    except ValueError as why:
        raise argparse.ArgumentTypeError(str(why)) from None


def _option(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(
            f"expected NAME=VALUE, such as persistent=true, not {text!r}"
        )
    return _text(name), _text(value)


def _text(text: str) -> str:
    """What can stand in a stanza: XML has no place for the other letters (XML 1.0 section 2.2)."""
    if _NOT_XML.search(text):
        raise argparse.ArgumentTypeError("expected text without control characters, in UTF-8")
    return text


def _told(text: str) -> str:
    """The same, and something: an empty name would mean everything, or nothing."""
    if not text.strip():
        raise argparse.ArgumentTypeError("expected something, not nothing")
    return _text(text)


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text, re.ASCII)
    seconds = float(found[1]) * _UNITS[found[2]] if found else math.inf
    if seconds > _MAX_GRACE:
        raise argparse.ArgumentTypeError(
            f"expected a time such as 10s or 2m, an hour at most, not {text!r}"
        )
    return seconds
