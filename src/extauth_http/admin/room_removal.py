"""Removes a user from a room. The session stays, and no ban is left.

If ``room_admin`` moderates the room, it takes the user's role away (XEP-0045 section 8.2; the room
receives status 307). Otherwise the admin API has only one way: the affiliation ``outcast``, which
is a ban (status 301), and then the previous affiliation. The ban must not stay if this program ends
in between. So it is saved before it is set (``pending_bans.py``). If a pending ban is left behind,
the next command that invites or removes somebody lifts it.
"""

import contextlib
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from types import FrameType
from xml.sax.saxutils import escape, quoteattr

from extauth_http.admin import rooms
from extauth_http.admin.pending_bans import (
    PendingBan,
    create_directory,
    forget,
    hold,
    left_behind,
)
from extauth_http.admin.rooms import Occupant, Room, RoomNotFoundError
from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.ejabberd_api.errors import ApiError
from extauth_http.ejabberd_api.hints import Hint
from extauth_http.ejabberd_api.polling import wait_until
from extauth_http.protocol.jid import Jid

OUTCAST = "outcast"
LIFT_ATTEMPTS = 5
LIFT_INTERVAL = 1.0  # seconds between two attempts to lift a ban
KICK_TIMEOUT = 2.0  # seconds in which a room must have executed a stanza
POLL_INTERVAL = 0.05  # seconds
REPAIR = "when ejabberd answers again, run: extauth-http room repair"


class BanNotLiftedError(Exception):
    """A ban could not be lifted. It is saved as a pending ban."""


class Method(StrEnum):
    """How a user was removed."""

    KICKED = "kicked"
    """Status 307."""

    BANNED_BRIEFLY = "banned and let in again"
    """Status 301. The affiliation is the previous one."""

    BANNED = "banned"
    """Status 301. The user stays banned."""

    NOT_IN_ROOM = "was not in the room"


@dataclass(frozen=True, slots=True)
class Removal:
    """What was done. ``affiliation`` is the one that the user has now."""

    method: Method
    nicks: list[str]
    affiliation: str
    was_subscribed: bool


def remove(api: ApiClient, place: Jid, jid: Jid, reason: str, *, ban: bool = False) -> Removal:
    """Removes a user from the room ``place``, and bans the user with ``ban``.

    The room is read again first: after the question and the notification, the user may have
    joined, become a member, or been banned.

    Raises ApiError, BanNotLiftedError, PendingBanError before anything is changed, and
    RoomNotFoundError for a ban from a room that does not exist.
    """
    if not (ban or api.is_dry_run):
        create_directory()
    try:
        room = rooms.read_room(api, place)
    except RoomNotFoundError:  # it may have ended with the previous removal
        if ban:
            raise
        return Removal(Method.NOT_IN_ROOM, [], "none", was_subscribed=False)
    was_subscribed = str(jid) in room.subscribers
    if was_subscribed:
        api.change(
            "unsubscribe_room",
            user=jid.user,
            host=jid.host,
            room=place.user,
            service=place.host,
        )
    method = _remove_occupants(api, room, jid, reason, ban=ban)
    nicks = [occupant.nick for occupant in room.occupants_of(jid)]
    affiliation = OUTCAST if method is Method.BANNED else room.affiliation_of(jid)
    return Removal(method, nicks, affiliation, was_subscribed)


def _remove_occupants(api: ApiClient, room: Room, jid: Jid, reason: str, *, ban: bool) -> Method:
    occupants = room.occupants_of(jid)
    before = room.affiliation_of(jid)
    # An occupant can already be banned. That ban is not one of this command, so it stays.
    if ban or (occupants and before == OUTCAST):
        rooms.set_affiliation(api, room.jid, jid, OUTCAST)
        return Method.BANNED
    if not occupants:
        return Method.NOT_IN_ROOM
    if _kick(api, room, occupants, reason):
        return Method.KICKED
    _ban_briefly(api, room.jid, jid, before)
    return Method.BANNED_BRIEFLY


def _kick(api: ApiClient, room: Room, occupants: list[Occupant], reason: str) -> bool:
    """Whether the role of the occupants could be taken away. ejabberd allows that only to a
    moderator who is in the room, and not for another moderator."""
    admin = api.settings.room_admin
    acting = [one.jid for one in room.occupants_of(admin) if _moderates(one)] if admin else []
    if not acting or any(_moderates(occupant) for occupant in occupants):
        return False
    why = f"<reason>{escape(reason)}</reason>" if reason else ""
    for occupant in occupants:
        item = f"<item nick={quoteattr(occupant.nick)} role='none'>{why}</item>"
        query = f"<query xmlns='http://jabber.org/protocol/muc#admin'>{item}</query>"
        try:
            api.change(
                "send_stanza",
                **{"from": acting[0], "to": str(room.jid)},
                stanza=f"<iq type='set' id='extauth-http'>{query}</iq>",
            )
        except ApiError as error:
            if error.is_refused:
                return False
            raise
    return api.is_dry_run or _have_left(api, room.jid, {occupant.jid for occupant in occupants})


def _moderates(occupant: Occupant) -> bool:
    return occupant.role == "moderator"


def _have_left(api: ApiClient, room: Jid, jids: set[str]) -> bool:
    """The API does not return the room's answer to a stanza. The list of occupants shows whether
    the room executed it."""

    def is_empty_of_them() -> bool:
        try:
            present = {occupant.jid for occupant in rooms.read_room(api, room).occupants}
        except RoomNotFoundError:  # it ended with them
            return True
        except ApiError as error:
            error.may_have_changed = True
            raise
        return not present & jids

    return wait_until(is_empty_of_them, interval=POLL_INTERVAL, timeout=KICK_TIMEOUT)


def _ban_briefly(api: ApiClient, room: Jid, jid: Jid, before: str) -> None:
    if api.is_dry_run:
        rooms.set_affiliation(api, room, jid, OUTCAST)
        rooms.set_affiliation(api, room, jid, before)
        return
    ban = PendingBan(api.url, room.user, room.host, jid.user, jid.host, before)
    with hold(ban) as file, _signals_deferred():
        try:
            rooms.set_affiliation(api, room, jid, OUTCAST)
        except ApiError as error:
            if error.may_have_changed:
                # The ban may be in force, or come into force later: the file stays.
                with contextlib.suppress(ApiError):
                    rooms.set_affiliation(api, room, jid, before)
                error.hint = Hint(f"the ban may be left; {REPAIR}")
            else:
                forget(file)
            raise
        _lift(api, ban)
        forget(file)


def _lift(api: ApiClient, ban: PendingBan) -> None:
    """Restores the affiliation. Raises BanNotLiftedError."""
    problem = ""

    def is_lifted() -> bool:
        nonlocal problem
        try:
            rooms.set_affiliation(api, ban.room_jid, ban.user_jid, ban.affiliation)
        except ApiError as error:
            problem = error.message
            return error.is_refused and _room_has_ended(api, ban.room_jid)
        return True

    if not wait_until(is_lifted, interval=LIFT_INTERVAL, attempts=LIFT_ATTEMPTS):
        raise BanNotLiftedError(
            f"was removed from {ban.room_jid} and is still banned: the ban could not be lifted "
            f"({problem}); {REPAIR}"
        )


def _room_has_ended(api: ApiClient, room: Jid) -> bool:
    """Somebody else may have ended the room, and its bans with it. A room that is just ending
    answers with another error; the next attempt reads it again."""
    try:
        rooms.read_room(api, room)
    except RoomNotFoundError:
        return True
    except ApiError:
        pass
    return False


def repair(api: ApiClient) -> list[str]:
    """Lifts the bans that interrupted removals left on this server, and returns a sentence for
    each.

    A ban that somebody has changed since then stays as it is. Raises PendingBanError, and ApiError
    with the files kept.
    """
    sentences = []
    for ban, file in left_behind(api.url):
        try:
            room = rooms.read_room(api, ban.room_jid)
            is_banned = room.affiliation_of(ban.user_jid) == OUTCAST
        except RoomNotFoundError:
            is_banned = False
        if is_banned:
            rooms.set_affiliation(api, ban.room_jid, ban.user_jid, ban.affiliation)
            lifted = "would lift" if api.is_dry_run else "lifted"
            sentences.append(
                f"{lifted} the ban of {ban.user_jid} from {ban.room_jid}, which an interrupted "
                "removal left"
            )
        if not api.is_dry_run:
            forget(file)
    return sentences


@contextmanager
def _signals_deferred() -> Iterator[None]:
    """Defers Ctrl-C, SIGTERM and SIGHUP until the block ends.

    If the block raises an error, the signal becomes a KeyboardInterrupt whose cause is the error.
    """
    received: list[int] = []

    def defer(number: int, _: FrameType | None) -> None:
        received.append(number)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, defer) for number in numbers}
    try:
        yield
    except Exception as error:
        if received:
            raise KeyboardInterrupt from error
        raise
    finally:
        for deferred, handler in before.items():
            signal.signal(deferred, handler)
    for number in received:
        signal.raise_signal(number)
