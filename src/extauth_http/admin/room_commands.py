"""``extauth-http room …``, except for ``invite`` and ``remove``."""

import argparse

from extauth_http.admin import room_creation, room_removal, rooms, sessions
from extauth_http.admin.command import DONE, NOT_DONE, confirmed, wait_after_notification
from extauth_http.admin.outcomes import Outcome, State
from extauth_http.admin.output import Output
from extauth_http.admin.rooms import Room, RoomNotFoundError
from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.ejabberd_api.errors import ApiError
from extauth_http.protocol.jid import Jid

TEMPORARY = (
    "; it exists for half a minute, or as long as it has occupants; to keep it, use --option "
    "persistent=true"
)
"""What happens to a room that is not persistent, as observed on 23.01, 24.12 and 26.07."""


def create(arguments: argparse.Namespace, api: ApiClient, output: Output) -> int:
    """``room create``"""
    room: Jid = arguments.room
    options = dict(arguments.option)
    hosts = sessions.list_hosts(api)
    if room.host in hosts:  # ejabberd would create a room there that nobody can join
        raise RoomNotFoundError(f"{room.host} is a virtual host, not a MUC service of this server")
    host = arguments.host or rooms.host_of(room.host, hosts)
    if host not in hosts:
        raise RoomNotFoundError(
            f"the virtual host of {room.host} does not follow from its name: set --host to one of "
            f"{', '.join(hosts)}"
        )
    created = room_creation.create(api, room, host, options)
    if created is None:
        output.result(f"{room} would be created", {"room": str(room)})
        return DONE
    is_persistent = (created.options or options).get("persistent") == "true"
    output.result(f"{room} was created{'' if is_persistent else TEMPORARY}", _facts(created))
    return DONE


def list_rooms(arguments: argparse.Namespace, api: ApiClient, output: Output) -> int:
    """``room list``"""
    found = rooms.list_rooms(api, arguments.service)
    facts = [{"room": room, "occupants": count} for room, count in found]
    if found or output.as_json:
        output.table(("room", "occupants"), found, facts)
    else:
        output.result("no room is online", facts)
    return DONE


def show(arguments: argparse.Namespace, api: ApiClient, output: Output) -> int:
    """``room show``"""
    room = rooms.read_room(api, arguments.room)
    if output.as_json:
        output.result("", _facts(room))
        return DONE
    output.result(f"{room.jid}: {_count(room)}", None)
    for columns, rows in (
        (("occupant", "nick", "role"), [(one.jid, one.nick, one.role) for one in room.occupants]),
        (
            ("JID", "affiliation", "reason"),
            [(one.jid, one.affiliation, one.reason) for one in room.affiliations],
        ),
        (("subscriber",), [(one,) for one in room.subscribers]),
        (("option", "value"), list((room.shown_options or {}).items())),
    ):
        if rows:
            output.result("", None)
            output.table(columns, rows, None)
    if room.options is None:
        output.result("\nthis ejabberd does not return the options of a room", None)
    return DONE


def unregister_nick(arguments: argparse.Namespace, api: ApiClient, output: Output) -> int:
    """``room unregister-nick``"""
    jid: Jid = arguments.user
    service: str = arguments.service
    nick = rooms.registered_nick(api, jid, service)
    if nick == "":
        sessions.require_known(api, jid)
        message = f"has no nick registered at {service}"
        return output.outcomes([Outcome(str(jid), State.DONE, message, {"nick": ""})])
    name = f"the nick {nick!r}" if nick else "the nick, if there is one,"
    if not confirmed(arguments, api, output, f"Unregister {name} of {jid} at {service}?"):
        return NOT_DONE
    if nick is None:
        sessions.require_known(api, jid)
    rooms.unregister_nick(api, jid, service)
    message = f"{name} is no longer registered at {service}"
    return output.outcomes([Outcome(str(jid), State.DONE, message, {"nick": nick})])


def destroy(arguments: argparse.Namespace, api: ApiClient, output: Output) -> int:
    """``room destroy``"""
    room = rooms.read_room(api, arguments.room)
    if not confirmed(arguments, api, output, f"Destroy {room.jid} with {_count(room)}?"):
        return NOT_DONE
    if arguments.notify:
        rooms.notify(api, room.jid, room.occupants, arguments.notify)
        if room.occupants:
            wait_after_notification(arguments, api, output)
    rooms.destroy(api, room.jid)
    try:
        is_gone = api.is_dry_run or rooms.is_gone(api, room.jid)
    except ApiError as error:
        error.may_have_changed = True
        raise
    if not is_gone:
        raise ApiError("destroy_room", "ejabberd reports success, but the room still exists")
    facts = {"occupants": len(room.occupants)}
    message = f"destroyed; it had {_count(room)}"
    return output.outcomes([Outcome(str(room.jid), State.DONE, message, facts)])


def repair(arguments: argparse.Namespace, api: ApiClient, output: Output) -> int:
    """``room repair``"""
    lifted = room_removal.repair(api)
    output.result("\n".join(lifted) or "nothing to repair", {"lifted": lifted})
    return DONE


def _count(room: Room) -> str:
    count = len(room.occupants)
    return f"{count} occupant{'' if count == 1 else 's'}"


def _facts(room: Room) -> dict[str, object]:
    return {
        "room": str(room.jid),
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
