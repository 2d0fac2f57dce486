"""Somebody out of a room, with the session left alone and no ban left behind.

Where ``room_admin`` moderates the room, it takes the role away (XEP-0045 section 8.2; the room sees
status 307). Everywhere else the admin API has one way only: an affiliation of ``outcast``, which
is a ban (status 301), and then the affiliation that was there before. What must not happen is that
the ban stays when this program ends in between. So the ban is noted down before it is set
(``notes.py``), and where a note is left behind, the next command that lets somebody into a room or
takes somebody out takes that ban away.
"""

import contextlib
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from xml.sax.saxutils import escape, quoteattr

from extauth_http.admin import rooms
from extauth_http.admin.notes import Note, forget, left_behind, made_folder, noted
from extauth_http.admin.rooms import Occupant, Room, RoomNotFoundError
from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.ejabberd_api.errors import ApiError
from extauth_http.ejabberd_api.hints import Hint
from extauth_http.protocol.jid import Jid

OUTCAST = "outcast"
NOT_THERE = "was not in the room"
TRIES = 5  # to take a ban away again
BETWEEN = 1.0  # seconds
SEEN = 2.0  # seconds until a room must have done what it was sent
MEND = "when ejabberd answers, run: extauth-http room mend"


class BanNotLiftedError(Exception):
    """The ban could not be taken away again; it is noted down."""


@dataclass(frozen=True, slots=True)
class Removed:
    """What was done. ``how`` is ``kicked`` (307), ``banned and let in again`` (301), ``banned``
    or ``was not in the room``; ``affiliation`` is the one that the user has now."""

    how: str
    nicks: list[str]
    affiliation: str
    was_subscribed: bool


def remove(api: ApiClient, place: Jid, jid: Jid, reason: str, *, ban: bool = False) -> Removed:
    """Who is in there, and as what, is looked at now: since it was asked about and told, somebody
    may have come in, been made a member or been banned.

    Raises ApiError, BanLeft, NoPlace before anything is done, and NoSuchRoom for a ban from a room
    that is gone.
    """
    if not (ban or api.is_dry_run):
        made_folder()
    try:
        room = rooms.look(api, place)
    except RoomNotFoundError:  # it may have ended with the one who was taken out before
        if ban:
            raise
        return Removed(NOT_THERE, [], "none", was_subscribed=False)
    there = room.occupants_of(jid)
    nicks = [occupant.nick for occupant in there]
    was_subscribed = str(jid) in room.subscribers
    before = room.affiliation_of(jid)
    if was_subscribed:
        api.change(
            "unsubscribe_room",
            user=jid.user,
            host=jid.host,
            room=place.user,
            service=place.host,
        )
    if ban:
        rooms.set_affiliation(api, place, jid, OUTCAST)
        return Removed("banned", nicks, OUTCAST, was_subscribed)
    if not there:
        return Removed(NOT_THERE, [], before, was_subscribed)
    if before == OUTCAST:  # and in there all the same: a ban is not this command's to take away
        rooms.set_affiliation(api, place, jid, OUTCAST)
        return Removed("banned", nicks, OUTCAST, was_subscribed)
    if _kick(api, room, there, reason):
        return Removed("kicked", nicks, before, was_subscribed)
    _ban_for_a_moment(api, place, jid, before)
    return Removed("banned and let in again", nicks, before, was_subscribed)


def _kick(api: ApiClient, room: Room, there: list[Occupant], reason: str) -> bool:
    """Whether the role could be taken away: ejabberd lets nobody but a moderator who is in the
    room do that, and to no other moderator."""
    admin = api.settings.room_admin
    acting = [one.jid for one in room.occupants_of(admin) if _moderates(one)] if admin else []
    if not acting or any(_moderates(occupant) for occupant in there):
        return False
    why = f"<reason>{escape(reason)}</reason>" if reason else ""
    for occupant in there:
        item = f"<item nick={quoteattr(occupant.nick)} role='none'>{why}</item>"
        query = f"<query xmlns='http://jabber.org/protocol/muc#admin'>{item}</query>"
        try:
            api.change(
                "send_stanza",
                **{"from": acting[0], "to": str(room.room)},
                stanza=f"<iq type='set' id='extauth-http'>{query}</iq>",
            )
        except ApiError as error:
            if error.is_refused:
                return False
            raise
    return api.is_dry_run or _are_gone(api, room.room, {occupant.jid for occupant in there})


def _moderates(occupant: Occupant) -> bool:
    return occupant.role == "moderator"


def _are_gone(api: ApiClient, room: Jid, jids: set[str]) -> bool:
    """The API does not hand on the room's answer: it is seen from who is left."""
    end = time.monotonic() + SEEN
    while time.monotonic() < end:
        try:
            left = {occupant.jid for occupant in rooms.look(api, room).occupants}
        except RoomNotFoundError:  # it ended with them
            return True
        except ApiError as error:
            error.may_have_changed = True
            raise
        if not left & jids:
            return True
        time.sleep(0.05)
    return False


def _ban_for_a_moment(api: ApiClient, room: Jid, jid: Jid, before: str) -> None:
    if api.is_dry_run:
        rooms.set_affiliation(api, room, jid, OUTCAST)
        rooms.set_affiliation(api, room, jid, before)
        return
    note = Note(api.url, room.user, room.host, jid.user, jid.host, before)
    with noted(note) as file, _signals_wait():
        try:
            rooms.set_affiliation(api, room, jid, OUTCAST)
        except ApiError as error:
            if not error.may_have_changed:
                forget(file)
            else:
                # It may be in force, or come into force yet: the note stays.
                with contextlib.suppress(ApiError):
                    rooms.set_affiliation(api, room, jid, before)
                error.hint = Hint(f"a ban may be left; {MEND}")
            raise
        _let_in_again(api, note)
        forget(file)


def _let_in_again(api: ApiClient, note: Note) -> None:
    for attempt in range(TRIES):
        if attempt:
            time.sleep(BETWEEN)
        try:
            rooms.set_affiliation(api, note.place, note.jid, note.affiliation)
        except ApiError as error:
            why = error.message
            if error.is_refused and _went_with_its_room(api, note.place):
                return
        else:
            return
    raise BanNotLiftedError(
        f"{note.jid} is out of {note.place}, but banned: the ban could not be taken away again "
        f"({why}); {MEND}"
    )


def _went_with_its_room(api: ApiClient, room: Jid) -> bool:
    """Somebody else may have ended the room meanwhile, and its bans with it. One that is just
    ending is looked at again with the next try."""
    try:
        rooms.look(api, room)
    except RoomNotFoundError:
        return True
    except ApiError:
        pass
    return False


def mend(api: ApiClient) -> list[str]:
    """Takes away the bans that interrupted removals left on this server, and says which.

    A ban that somebody has changed since is left as it is. Raises NoPlace, and ApiError with the
    notes kept.
    """
    said = []
    for note, file in left_behind(api.url):
        try:
            stands = rooms.look(api, note.place).affiliation_of(note.jid) == OUTCAST
        except RoomNotFoundError:
            stands = False
        if stands:
            rooms.set_affiliation(api, note.place, note.jid, note.affiliation)
            took = "would take" if api.is_dry_run else "took"
            said.append(
                f"{took} away the ban of {note.jid} from {note.place}, which an interrupted "
                "removal had left"
            )
        if not api.is_dry_run:
            forget(file)
    return said


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Ctrl-C and a polite end come when the ban is gone again. Where it is not, they come as the
    KeyboardInterrupt whose cause is what is to be said of that."""
    came: list[int] = []

    def later(number: int, _: FrameType | None) -> None:
        came.append(number)

    kinds = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {kind: signal.signal(kind, later) for kind in kinds}
    try:
        yield
    except Exception as error:
        if came:
            raise KeyboardInterrupt from error
        raise
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
    for number in came:
        signal.raise_signal(number)
