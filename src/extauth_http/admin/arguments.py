"""The arguments of ``extauth-http user`` and ``extauth-http room``."""

import argparse
from collections.abc import Callable
from functools import partial

from extauth_http.admin import (
    argument_values,
    ban_commands,
    purge_command,
    revoke_command,
    room_access_commands,
    room_commands,
    sweep_command,
    user_commands,
)
from extauth_http.admin.command import Action, run
from extauth_http.admin.sweep import DEFAULT_AT_MOST, DEFAULT_PER_SECOND


def add_user_commands(parser: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    """Adds the commands about users. Each takes the options of ``common``."""
    add = _adder(parser, common)
    sessions = add("sessions", user_commands.show_sessions, "list the sessions of a user")
    sessions.add_argument("user", type=argument_values.user, metavar="USER@HOST")
    notify = add(
        "notify", user_commands.notify, "send a message from the server to every session of users"
    )
    _add_users(notify)
    notify.add_argument(
        "text", type=argument_values.required_text, metavar="TEXT", help="the message"
    )
    kick = add("kick", user_commands.kick, "end all sessions of users, or one session")
    _add_users(kick)
    _add_notification(kick)
    kick.add_argument(
        "--resource",
        type=argument_values.required_text,
        metavar="NAME",
        help="end only this session",
    )
    kick.add_argument(
        "--reason",
        type=argument_values.text,
        default="",
        metavar="TEXT",
        help="the reason that the client sees",
    )
    _add_revoke(add)
    _add_bans(add)
    _add_sweep(add)
    _add_purge(add)


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
        "--reason",
        type=argument_values.text,
        default="",
        metavar="TEXT",
        help="the reason that ejabberd stores",
    )
    _add_users(add("unban", ban_commands.unban, "lift the ban of users"))
    add("bans", ban_commands.show_bans, "list the banned users (ejabberd 25.10 and newer)")


def _add_purge(add: "_Add") -> None:
    purge = add(
        "purge",
        purge_command.purge_users,
        "show what ejabberd still stores about users who were removed at the service, and delete "
        "it with --yes",
    )
    _add_users(purge)
    purge.add_argument(
        "--no-verify",
        action="store_true",
        help="do not ask the service whether it has removed the users; ejabberd then sends it "
        "removeuser for users who exist",
    )


def _add_sweep(add: "_Add") -> None:
    sweep = add(
        "sweep",
        sweep_command.sweep_users,
        "ask the service about everybody who is connected, and end the sessions of users for whom "
        "it says that they do not exist",
    )
    sweep.add_argument(
        "--at-most",
        type=argument_values.count,
        default=DEFAULT_AT_MOST,
        metavar="N",
        help="if the service says no for more users, do nothing and exit with 1 "
        f"(default: {DEFAULT_AT_MOST})",
    )
    sweep.add_argument(
        "--per-second",
        type=argument_values.rate,
        default=DEFAULT_PER_SECOND,
        metavar="N",
        help=f"requests to the service per second (default: {DEFAULT_PER_SECOND:g})",
    )
    sweep.add_argument(
        "--host",
        action="append",
        default=[],
        help="only users of this virtual host; can be repeated. Use it if another host has users "
        "whom the service does not know",
    )


def add_room_commands(parser: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    """Adds the commands about rooms. Each takes the options of ``common``."""
    add = _adder(parser, common)
    _add_create(add)
    listing = add("list", room_commands.list_rooms, "list the rooms that are online")
    listing.add_argument(
        "service",
        type=argument_values.required_text,
        nargs="?",
        default="global",
        metavar="SERVICE",
        help="a MUC service (default: all)",
    )
    _add_room(add("show", room_commands.show, "show occupants, affiliations and options"))
    _add_invite(add)
    _add_remove(add)
    nick = add("unregister-nick", room_commands.unregister_nick, "unregister the nick of a user")
    nick.add_argument("user", type=argument_values.user, metavar="USER@HOST")
    nick.add_argument("service", type=argument_values.required_text, metavar="SERVICE")
    destroy = add("destroy", room_commands.destroy, "destroy a room")
    _add_room(destroy)
    _add_notification(destroy)
    add("repair", room_commands.repair, "lift bans that an interrupted removal left")


def _add_create(add: "_Add") -> None:
    create = add("create", room_commands.create, "create a room")
    _add_room(create)
    create.add_argument(
        "--option",
        type=argument_values.option,
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
        "--reason",
        type=argument_values.text,
        default="",
        metavar="TEXT",
        help="the reason that the users see",
    )
    invite.add_argument(
        "--password",
        type=argument_values.text,
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
        type=argument_values.text,
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
    command.add_argument("users", type=argument_values.user, nargs="*", metavar="USER@HOST")
    command.add_argument(
        "--from",
        dest="source",
        metavar="FILE",
        help="file with one USER@HOST on each line; # begins a comment; - is standard input",
    )


def _add_notification(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--notify",
        type=argument_values.text,
        default="",
        metavar="TEXT",
        help="send this message first, then wait for --grace",
    )
    command.add_argument(
        "--grace",
        type=argument_values.grace,
        default=10.0,
        metavar="TIME",
        help="the time after --notify, at most 1h (default: 10s)",
    )


def _add_room(command: argparse.ArgumentParser) -> None:
    command.add_argument("room", type=argument_values.room, metavar="ROOM@SERVICE")
