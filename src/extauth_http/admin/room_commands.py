"""``extauth-http room …``: rooms made, shown and ended, and people let in and taken out."""

import argparse
import time

from extauth_http.admin import removal, rooms, users
from extauth_http.admin.command import BAD, GOOD, INTERRUPTED, agreed, targets_of
from extauth_http.admin.notes import BanNotesError
from extauth_http.admin.outcome import Outcome, State, each
from extauth_http.admin.output import Screen
from extauth_http.admin.removal import Removed
from extauth_http.admin.rooms import Room, RoomNotFoundError
from extauth_http.admin.visible import visible
from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.ejabberd_api.errors import ApiError
from extauth_http.protocol.jid import Jid

BANS_HOLD = (24, 12)
"""The release from which on a ban was seen to keep out somebody who was a member before; 23.01 was
seen to let them in, for as long as the room's process runs."""

BRIEF = (
    "for half a minute or as long as somebody is in it; for one that stays, --option "
    "persistent=true"
)
"""What becomes of a room that is not persistent, as seen on 23.01, 24.12 and 26.07."""


def create(arguments: argparse.Namespace, api: ApiClient, screen: Screen) -> int:
    """``room create``"""
    room: Jid = arguments.room
    options = dict(arguments.option)
    served = users.hosts(api)
    if room.host in served:  # where ejabberd makes one that nobody can come into
        raise RoomNotFoundError(
            f"{room.host} is a host of users, and no MUC service of this server"
        )
    host = arguments.host or rooms.host_of(room.host, served)
    if host not in served:
        raise RoomNotFoundError(
            f"{room.host}: which of ejabberd's hosts it belongs to is not seen from its name; "
            f"name it with --host, one of {', '.join(served)}"
        )
    made = rooms.create(api, room, host, options)
    if made is None:
        screen.result(f"{room} would be made", {"room": str(room)})
        return GOOD
    stays = (made.options or options).get("persistent") == "true"
    how = "" if stays else f", {BRIEF}"
    screen.result(f"{room} is there{how}", _facts(made))
    return GOOD


def listing(arguments: argparse.Namespace, api: ApiClient, screen: Screen) -> int:
    """``room list``"""
    found = rooms.online(api, arguments.service)
    facts = [{"room": room, "occupants": count} for room, count in found]
    if found or screen.as_json:
        screen.table(("room", "occupants"), found, facts)
    else:
        screen.result("no room is online", facts)
    return GOOD


def show(arguments: argparse.Namespace, api: ApiClient, screen: Screen) -> int:
    """``room show``"""
    room = rooms.look(api, arguments.room)
    if screen.as_json:
        screen.result("", _facts(room))
        return GOOD
    screen.result(f"{room.room}: {len(room.occupants)} in it", None)
    for columns, rows in (
        (("occupant", "nick", "role"), [(one.jid, one.nick, one.role) for one in room.occupants]),
        (
            ("affiliated", "as", "reason"),
            [(one.jid, one.affiliation, one.reason) for one in room.affiliations],
        ),
        (("subscribed",), [(one,) for one in room.subscribers]),
        (("option", "value"), list((room.shown_options or {}).items())),
    ):
        if rows:
            screen.result("", None)
            screen.table(columns, rows, None)
    if room.options is None:
        screen.result("\nits options this ejabberd does not tell", None)
    return GOOD


def invite(arguments: argparse.Namespace, api: ApiClient, screen: Screen) -> int:
    """``room invite``: everybody is looked at before anybody is invited."""
    jids = targets_of(arguments)
    _mend(api, screen)
    room = rooms.look(api, arguments.room)
    served = users.hosts(api)
    for jid in jids:
        if jid.host in served:
            users.must_be_known(api, jid)
    banned = [str(jid) for jid in jids if room.affiliation_of(jid) == removal.OUTCAST]
    if banned:
        raise rooms.RoomMismatchError(
            f"{', '.join(banned)}: banned from {room.room}, nobody was invited; to take a ban "
            "away: extauth-http room remove --unban"
        )
    outside = [jid for jid in jids if room.affiliation_of(jid) == "none"]
    is_closed = (room.options or {}).get("members_only") == "true"

    def step(jid: Jid) -> Outcome:
        if arguments.member and jid in outside:
            rooms.make_member(api, room.room, jid)
        rooms.invite(api, room.room, [jid], arguments.reason, arguments.password)
        if is_closed and not arguments.member and jid in outside:
            said = "invited, but cannot come in: the room is for members only; add --member"
            return Outcome(str(jid), State.NOT_DONE, said)
        return Outcome(str(jid), State.DONE, "invited")

    outcomes, is_interrupted = each(jids, step, screen.bar("inviting"))
    code = screen.outcomes(outcomes, room=str(room.room))
    return INTERRUPTED if is_interrupted else code


def remove(arguments: argparse.Namespace, api: ApiClient, screen: Screen) -> int:
    """``room remove``"""
    targets = targets_of(arguments)
    _mend(api, screen)
    room = rooms.look(api, arguments.room)
    if not arguments.unban:
        _must_be_known(api, room, targets)
        there = [one for jid in targets for one in room.occupants_of(jid)]
        if not agreed(arguments, api, screen, _question(arguments, room, targets)):
            return BAD
        if arguments.notify:
            rooms.tell(api, room.room, there, arguments.notify)
            _wait(arguments, api, screen, bool(there))

    def step(jid: Jid) -> Outcome:
        if arguments.unban:
            return _unban(api, room, jid)
        done = removal.remove(api, room.room, jid, arguments.reason, ban=arguments.ban)
        facts = {
            "how": done.how,
            "nicks": done.nicks,
            "affiliation": done.affiliation,
            "was_subscribed": done.was_subscribed,
        }
        return Outcome(str(jid), State.DONE, _told(api, room, done), facts)

    outcomes, is_interrupted = each(targets, step, screen.bar("removing"))
    code = screen.outcomes(outcomes, room=str(room.room))
    return INTERRUPTED if is_interrupted else code


def unregister_nick(arguments: argparse.Namespace, api: ApiClient, screen: Screen) -> int:
    """``room unregister-nick``"""
    jid: Jid = arguments.user
    service: str = arguments.service
    nick = rooms.registered_nick(api, jid, service)
    if nick == "":
        users.must_be_known(api, jid)
        said = f"has no nick registered at {service}"
        return screen.outcomes([Outcome(str(jid), State.DONE, said, {"nick": ""})])
    whose = f"the nick {nick!r}" if nick else "the nick, if any,"
    if not agreed(arguments, api, screen, f"Unregister {whose} of {jid} at {service}?"):
        return BAD
    if nick is None:
        users.must_be_known(api, jid)
    rooms.unregister_nick(api, jid, service)
    said = f"{whose} is no longer registered at {service}"
    return screen.outcomes([Outcome(str(jid), State.DONE, said, {"nick": nick})])


def destroy(arguments: argparse.Namespace, api: ApiClient, screen: Screen) -> int:
    """``room destroy``"""
    room = rooms.look(api, arguments.room)
    count = len(room.occupants)
    if not agreed(arguments, api, screen, f"Destroy {room.room} with {count} in it?"):
        return BAD
    if arguments.notify:
        rooms.tell(api, room.room, room.occupants, arguments.notify)
        _wait(arguments, api, screen, bool(room.occupants))
    rooms.destroy(api, room.room)
    try:
        is_gone = api.is_dry_run or rooms.is_gone(api, room.room)
    except ApiError as error:
        error.may_have_changed = True
        raise
    if not is_gone:
        raise ApiError("destroy_room", "ejabberd says yes, and the room is still there")
    said = f"destroyed; {count} were in it"
    return screen.outcomes([Outcome(str(room.room), State.DONE, said, {"occupants": count})])


def mend(arguments: argparse.Namespace, api: ApiClient, screen: Screen) -> int:
    """``room mend``"""
    said = removal.mend(api)
    screen.result("\n".join(said) or "nothing to mend", {"mended": said})
    return GOOD


def _mend(api: ApiClient, screen: Screen) -> None:
    """By the way: what cannot be mended keeps nobody from anything else."""
    try:
        for said in removal.mend(api):
            screen.note(said)
    except (ApiError, BanNotesError) as error:
        screen.note(f"bans that an interrupted removal may have left were not looked at: {error}")


def _must_be_known(api: ApiClient, room: Room, jids: list[Jid]) -> None:
    """Of those who are not in the room: a slip of the pen is told before anything is done."""
    served = users.hosts(api)
    for jid in jids:
        is_in = bool(room.occupants_of(jid)) or str(jid) in room.subscribers
        if not is_in and jid.host in served:
            users.must_be_known(api, jid)


def _question(arguments: argparse.Namespace, room: Room, jids: list[Jid]) -> str:
    what = "Ban" if arguments.ban else "Remove"
    if len(jids) > 1:
        return f"{what} {len(jids)} users from {room.room}?"
    nicks = ", ".join(visible(occupant.nick) for occupant in room.occupants_of(jids[0]))
    return f"{what} {jids[0]}{f' ({nicks})' if nicks else ''} from {room.room}?"


def _unban(api: ApiClient, room: Room, jid: Jid) -> Outcome:
    if room.affiliation_of(jid) != removal.OUTCAST:
        return Outcome(str(jid), State.DONE, f"is not banned from {room.room}")
    rooms.set_affiliation(api, room.room, jid, "none")
    return Outcome(str(jid), State.DONE, f"no longer banned from {room.room}")


def _wait(arguments: argparse.Namespace, api: ApiClient, screen: Screen, somebody: bool) -> None:
    if somebody and not api.is_dry_run:
        screen.note(f"waiting {arguments.grace:g} s")
        time.sleep(arguments.grace)


def _told(api: ApiClient, room: Room, done: Removed) -> str:
    also = " and no longer subscribed" if done.was_subscribed else ""
    where = room.room
    match done.how:
        case "banned" if api.release and api.release < BANS_HOLD:
            year, month = api.release
            return (
                f"banned from {where}{also}; ejabberd {year}.{month:02} may let in all the same "
                "whom the room has known as a member since it runs: destroy it and make it anew"
            )
        case "banned":
            return f"banned from {where}, and kept out until --unban{also}"
        case removal.NOT_THERE:
            return f"was not in {where}{also}"
        case "kicked":
            return f"out of {where} (kicked, status 307); may come back{also}"
        case _:
            return f"out of {where} (status 301, and no ban left behind); may come back{also}"


def _facts(room: Room) -> dict[str, object]:
    return {
        "room": str(room.room),
        "occupants": [
            {"jid": one.jid, "nick": one.nick, "role": one.role} for one in room.occupants
        ],
        "affiliations": [
            {"jid": one.jid, "affiliation": one.affiliation, "reason": one.reason}
            for one in room.affiliations
        ],
        "subscribers": room.subscribers,
        "options": room.shown_options,
    }
