"""Somebody out of a room, with the session left alone and no ban left behind.

Where ``room_admin`` moderates the room, it takes the role away (XEP-0045 section 8.2; the room sees
status 307). Everywhere else the admin API has one way only: an affiliation of ``outcast``, which
is a ban (status 301), and then the affiliation that was there before. What must not happen is that
the ban stays when this program ends in between. So the ban is noted down before it is set, and
where a note is left behind, the next command about rooms takes that ban away.
"""

import fcntl
import hashlib
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import IO
from xml.sax.saxutils import escape, quoteattr

from extauth_http.admin import rooms
from extauth_http.admin.api import Api, ApiError
from extauth_http.admin.jid import Jid
from extauth_http.admin.rooms import NoSuchRoom, Occupant, Room, Unsuitable

OUTCAST = "outcast"
TRIES = 5  # to take a ban away again
BETWEEN = 1.0  # seconds
SEEN = 2.0  # seconds until a room must have done what it was sent


class BanLeft(Exception):  # noqa: N818 - it is what is so
    """The ban could not be taken away again; it is noted down."""


@dataclass(frozen=True, slots=True)
class Removed:
    """What was done. ``how`` is ``kicked`` (307), ``banned and let in again`` (301), ``banned``
    or ``was not in the room``; ``affiliation`` is the one that the user has now."""

    how: str
    nicks: list[str]
    affiliation: str
    was_subscribed: bool


@dataclass(frozen=True, slots=True)
class Note:
    """A ban that is to be taken away again, and what is to be put in its place."""

    api: str
    room: str
    service: str
    user: str
    host: str
    affiliation: str

    @property
    def jid(self) -> Jid:
        return Jid(self.user, self.host)

    @property
    def place(self) -> Jid:
        return Jid(self.room, self.service)

    @property
    def file(self) -> Path:
        words = "\n".join((self.api, self.room, self.service, self.user, self.host))
        return folder() / f"{hashlib.sha256(words.encode()).hexdigest()[:24]}.json"


def folder() -> Path:
    """Where notes are kept: ``$XDG_STATE_HOME/extauth-http/bans``, by default in ~/.local/state."""
    named = Path(os.environ.get("XDG_STATE_HOME", ""))
    state = named if named.is_absolute() else Path.home() / ".local" / "state"
    return state / "extauth-http" / "bans"


def remove(api: Api, room: Room, jid: Jid, reason: str, *, ban: bool = False) -> Removed:
    """Raises ApiError, and BanLeft."""
    there = room.occupants_of(jid)
    nicks = [occupant.nick for occupant in there]
    was_subscribed = str(jid) in room.subscribers
    before = room.affiliation_of(jid)
    if was_subscribed:
        api.change(
            "unsubscribe_room",
            user=jid.user,
            host=jid.host,
            room=room.room.user,
            service=room.room.host,
        )
    if ban:
        rooms.set_affiliation(api, room.room, jid, OUTCAST)
        return Removed("banned", nicks, OUTCAST, was_subscribed)
    if not there:
        return Removed("was not in the room", [], before, was_subscribed)
    if _kick(api, room, there, reason):
        return Removed("kicked", nicks, before, was_subscribed)
    _ban_for_a_moment(api, room.room, jid, before)
    return Removed("banned and let in again", nicks, before, was_subscribed)


def _kick(api: Api, room: Room, there: list[Occupant], reason: str) -> bool:
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
        api.change(
            "send_stanza",
            **{"from": acting[0], "to": str(room.room)},
            stanza=f"<iq type='set' id='extauth-http'>{query}</iq>",
        )
    return api.is_dry or _are_gone(api, room.room, {occupant.jid for occupant in there})


def _moderates(occupant: Occupant) -> bool:
    return occupant.role == "moderator"


def _are_gone(api: Api, room: Jid, jids: set[str]) -> bool:
    """The API does not hand on the room's answer: it is seen from who is left."""
    end = time.monotonic() + SEEN
    while time.monotonic() < end:
        left = {occupant.jid for occupant in rooms.look(api, room).occupants}
        if not left & jids:
            return True
        time.sleep(0.05)
    return False


def _ban_for_a_moment(api: Api, room: Jid, jid: Jid, before: str) -> None:
    note = Note(api.url, room.user, room.host, jid.user, jid.host, before)
    if api.is_dry:
        rooms.set_affiliation(api, room, jid, OUTCAST)
        rooms.set_affiliation(api, room, jid, before)
        return
    with _noted(note), _signals_wait():
        rooms.set_affiliation(api, room, jid, OUTCAST)
        _let_in_again(api, note)


def _let_in_again(api: Api, note: Note) -> None:
    for attempt in range(TRIES):
        if attempt:
            time.sleep(BETWEEN)
        try:
            rooms.set_affiliation(api, note.place, note.jid, note.affiliation)
        except ApiError as error:
            why = error.said
        else:
            note.file.unlink(missing_ok=True)
            return
    raise BanLeft(
        f"{note.jid} is out of {note.place}, but banned: the ban could not be taken away again "
        f"({why}); when ejabberd answers, run: extauth-http room mend"
    )


def mend(api: Api) -> list[str]:
    """Takes away the bans that interrupted removals left on this server, and says which.

    A ban that somebody has changed since is left as it is. Raises ApiError, with the notes kept.
    """
    said = []
    for note in _left_behind(api.url):
        try:
            stands = rooms.look(api, note.place).affiliation_of(note.jid) == OUTCAST
        except NoSuchRoom:
            stands = False
        if stands:
            rooms.set_affiliation(api, note.place, note.jid, note.affiliation)
            said.append(
                f"took away the ban of {note.jid} from {note.place}, which an interrupted removal "
                "had left"
            )
        if not api.is_dry:
            note.file.unlink(missing_ok=True)
    return said


def _left_behind(url: str) -> Iterator[Note]:
    """The notes about a server that no running program holds."""
    for file in sorted(folder().glob("*.json")):
        try:
            with file.open("rb+") as opened:
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
                note = Note(**json.loads(opened.read()))
        except (OSError, ValueError, TypeError):  # held, gone, or none of ours
            continue
        if note.api == url:
            yield note


@contextmanager
def _noted(note: Note) -> Iterator[None]:
    """On disk before the ban is set, and held as long as this program takes care of it."""
    with _written(note):
        try:
            yield
        except ApiError as error:
            if error.is_undone:
                note.file.unlink(missing_ok=True)
            raise


def _written(note: Note) -> IO[str]:
    """The note's file, held as long as it is open. Raises Unsuitable where it cannot be written."""
    try:
        note.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        opened = note.file.open("w", encoding="utf-8")
        fcntl.flock(opened, fcntl.LOCK_EX)
        json.dump(asdict(note), opened)
        opened.flush()
        os.fsync(opened.fileno())
    except OSError as error:
        raise Unsuitable(
            f"{note.jid} was not removed: the ban that it takes for a moment cannot be noted down "
            f"in {folder()} ({error.strerror}); name another place in $XDG_STATE_HOME"
        ) from None
    return opened


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Ctrl-C and a polite end come when the ban is gone again."""
    came: list[int] = []

    def later(number: int, _: FrameType | None) -> None:
        came.append(number)

    kinds = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {kind: signal.signal(kind, later) for kind in kinds}
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
        for number in came:
            signal.raise_signal(number)
