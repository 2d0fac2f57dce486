"""``extauth-http room invite`` and ``room remove``: who may enter a room, and who must leave it."""

import argparse

from extauth_http.admin import room_removal, rooms, sessions
from extauth_http.admin.command import (
    INTERRUPTED,
    NOT_DONE,
    confirmed,
    targets_of,
    wait_after_notification,
)
from extauth_http.admin.outcomes import Outcome, State, run_each
from extauth_http.admin.output import Output
from extauth_http.admin.pending_bans import PendingBanError
from extauth_http.admin.room_removal import OUTCAST, Method, Removal
from extauth_http.admin.rooms import Room, RoomMismatchError
from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.ejabberd_api.errors import ApiError
from extauth_http.ejabberd_api.releases import Release
from extauth_http.protocol.jid import Jid
from extauth_http.terminal.printable import printable

FIRST_WITH_BANS_OF_MEMBERS = Release(24, 12)
"""The release since which a ban keeps out a former member. 23.01 admits a banned user as long as
the process of the room, which knew the user as a member, runs."""


def invite(arguments: argparse.Namespace, api: ApiClient, output: Output) -> int:
    """``room invite``: all users are checked before one is invited."""
    jids = targets_of(arguments)
    _repair(api, output)
    room = rooms.read_room(api, arguments.room)
    _require_known(api, jids)
    banned = [str(jid) for jid in jids if room.affiliation_of(jid) == OUTCAST]
    if banned:
        raise RoomMismatchError(
            f"{', '.join(banned)}: banned from {room.jid}; nobody was invited. To lift a ban, use "
            "extauth-http room remove --unban"
        )
    outside = [jid for jid in jids if room.affiliation_of(jid) == "none"]
    is_closed = (room.options or {}).get("members_only") == "true"

    def step(jid: Jid) -> Outcome:
        if arguments.member and jid in outside:
            rooms.set_affiliation(api, room.jid, jid, "member")
        rooms.invite(api, room.jid, jid, arguments.reason, arguments.password)
        if is_closed and not arguments.member and jid in outside:
            message = "invited, but cannot enter: the room is for members only; add --member"
            return Outcome(str(jid), State.NOT_DONE, message)
        return Outcome(str(jid), State.DONE, "invited")

    outcomes, is_interrupted = run_each(jids, step, output.progress("inviting"))
    code = output.outcomes(outcomes, room=str(room.jid))
    return INTERRUPTED if is_interrupted else code


def remove(arguments: argparse.Namespace, api: ApiClient, output: Output) -> int:
    """``room remove``"""
    targets = targets_of(arguments)
    _repair(api, output)
    room = rooms.read_room(api, arguments.room)
    if not arguments.unban:
        # A typing error is reported before anything is changed.
        _require_known(api, [jid for jid in targets if not _is_in(room, jid)])
        if not confirmed(arguments, api, output, _question(arguments, room, targets)):
            return NOT_DONE
        _notify(arguments, api, output, room, targets)

    def step(jid: Jid) -> Outcome:
        if arguments.unban:
            return _unban(api, room, jid)
        removal = room_removal.remove(api, room.jid, jid, arguments.reason, ban=arguments.ban)
        facts = {
            "how": removal.method.value,
            "nicks": removal.nicks,
            "affiliation": removal.affiliation,
            "was_subscribed": removal.was_subscribed,
        }
        return Outcome(str(jid), State.DONE, _describe(api, room, removal), facts)

    outcomes, is_interrupted = run_each(targets, step, output.progress("removing"))
    code = output.outcomes(outcomes, room=str(room.jid))
    return INTERRUPTED if is_interrupted else code


def _repair(api: ApiClient, output: Output) -> None:
    """Lifts bans that were left behind. A failure does not stop the command."""
    try:
        for sentence in room_removal.repair(api):
            output.note(sentence)
    except (ApiError, PendingBanError) as error:
        output.note(f"bans that an interrupted removal may have left were not checked: {error}")


def _require_known(api: ApiClient, jids: list[Jid]) -> None:
    """Raises UserNotFoundError for an unknown user of this server. Users of other servers can be
    in a room, too."""
    hosts = sessions.list_hosts(api)
    for jid in jids:
        if jid.host in hosts:
            sessions.require_known(api, jid)


def _is_in(room: Room, jid: Jid) -> bool:
    return bool(room.occupants_of(jid)) or str(jid) in room.subscribers


def _question(arguments: argparse.Namespace, room: Room, jids: list[Jid]) -> str:
    action = "Ban" if arguments.ban else "Remove"
    if len(jids) > 1:
        return f"{action} {len(jids)} users from {room.jid}?"
    nicks = ", ".join(printable(occupant.nick) for occupant in room.occupants_of(jids[0]))
    return f"{action} {jids[0]}{f' ({nicks})' if nicks else ''} from {room.jid}?"


def _notify(
    arguments: argparse.Namespace, api: ApiClient, output: Output, room: Room, jids: list[Jid]
) -> None:
    if not arguments.notify:
        return
    occupants = [occupant for jid in jids for occupant in room.occupants_of(jid)]
    rooms.notify(api, room.jid, occupants, arguments.notify)
    if occupants:
        wait_after_notification(arguments, api, output)


def _unban(api: ApiClient, room: Room, jid: Jid) -> Outcome:
    if room.affiliation_of(jid) != OUTCAST:
        return Outcome(str(jid), State.DONE, f"is not banned from {room.jid}")
    rooms.set_affiliation(api, room.jid, jid, "none")
    return Outcome(str(jid), State.DONE, f"is no longer banned from {room.jid}")


def _describe(api: ApiClient, room: Room, removal: Removal) -> str:
    also = " and no longer subscribed" if removal.was_subscribed else ""
    match removal.method:
        case Method.BANNED if api.release and api.release < FIRST_WITH_BANS_OF_MEMBERS:
            return (
                f"banned from {room.jid}{also}; ejabberd {api.release} may still admit a user who "
                "was a member since the room started: destroy the room and create it again"
            )
        case Method.BANNED:
            return f"banned from {room.jid} until --unban{also}"
        case Method.NOT_IN_ROOM:
            return f"was not in {room.jid}{also}"
        case Method.KICKED:
            return f"removed from {room.jid} (kicked, status 307){also}; can join again"
        case Method.BANNED_BRIEFLY:
            return f"removed from {room.jid} (status 301, no ban is left){also}; can join again"
