"""Bans that are to be taken away again, noted down where the end of a program or of the machine
does not reach them.

A note is one small file. Who takes care of it holds its lock, so one that nobody holds was left
behind. Notes say what is done to a room with an administrator's rights: the folder is the
operator's own, or it is not used.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from extauth_http.protocol.jid import Jid

AFFILIATIONS = frozenset({"none", "member", "admin", "owner"})


class BanNotesError(Exception):
    """A ban could not be noted down, so nothing was done."""


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
    def file_name(self) -> str:
        words = "\n".join((self.api, self.room, self.service, self.user, self.host))
        return f"{hashlib.sha256(words.encode()).hexdigest()[:24]}.json"


def folder() -> Path:
    """Where notes are kept: ``$XDG_STATE_HOME/extauth-http/bans``, by default in ~/.local/state.

    A relative ``XDG_STATE_HOME`` is passed over, as the XDG Base Directory Specification has it.
    Raises NoPlace.
    """
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    if not state.is_absolute():
        try:
            state = Path.home() / ".local" / "state"
        except RuntimeError:
            raise BanNotesError(
                "there is no home folder to note a ban in: set XDG_STATE_HOME"
            ) from None
    return state / "extauth-http" / "bans"


def made_folder() -> Path:
    """The folder, made where it is not there. Raises NoPlace, also for somebody else's."""
    place = folder()
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        _must_be_ours(place)
        if not os.access(place, os.W_OK | os.X_OK):
            raise BanNotesError(f"{place}: no note of a ban can be written there")
    except OSError as error:
        raise _no_place(place, error) from None
    return place


@contextmanager
def noted(note: Note) -> Iterator[Path]:
    """The note's file, on disk before the ban is set, and held until the ``with`` ends. It stays
    unless it is taken away. Raises NoPlace."""
    file = made_folder() / note.file_name
    try:
        descriptor = _held(file)
    except OSError as error:
        raise _no_place(file, error) from None
    with os.fdopen(descriptor, "r+b") as opened:
        try:
            opened.truncate()
            opened.write(json.dumps(asdict(note)).encode())
            opened.flush()
            os.fsync(opened.fileno())
            _sync(file.parent)
        except OSError as error:
            forget(file)
            raise _no_place(file, error) from None
        yield file


def left_behind(api: str) -> Iterator[tuple[Note, Path]]:
    """The notes about a server that no running program holds, each held while it is looked at.
    Raises NoPlace for a folder that is somebody else's."""
    place = folder()
    try:
        _must_be_ours(place)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _no_place(place, error) from None
    for file in sorted(place.glob("*.json")):
        try:
            descriptor = os.open(file, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            continue
        with os.fdopen(descriptor, "rb"):
            note = _read(descriptor, file)
            if note and note.api == api:
                yield note, file


def forget(file: Path) -> None:
    """Takes a note away. One that cannot be is looked at once more at the next command."""
    with contextlib.suppress(OSError):
        file.unlink()


def _held(file: Path) -> int:
    """A file with its lock. Whoever held it before may have taken it away meanwhile: then it is
    made anew."""
    while True:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(file, flags, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            if os.path.samestat(os.fstat(descriptor), file.lstat()):
                return descriptor
        except FileNotFoundError:
            pass
        os.close(descriptor)


def _read(descriptor: int, file: Path) -> Note | None:
    """A note that nobody holds; None for one that is held, gone, or none of ours."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode) or not os.path.samestat(state, file.lstat()):
            return None
        said = json.loads(os.read(descriptor, 65536))
        note = Note(**said)
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    is_whole = all(isinstance(each, str) for each in said.values())
    if not is_whole or note.affiliation not in AFFILIATIONS or note.file_name != file.name:
        return None
    return note


def _must_be_ours(place: Path) -> None:
    """Raises NoPlace for a folder in which somebody else could leave a note."""
    found = place.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise BanNotesError(f"{place}: is no folder, and notes of bans are kept there")
    if found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise BanNotesError(f"{place}: notes of bans are kept there, and others may write to it")


def _sync(place: Path) -> None:
    """Sees to it that a new file's name is on disk, too."""
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _no_place(place: Path, error: OSError) -> BanNotesError:
    return BanNotesError(f"{place}: no note of a ban can be kept there: {error.strerror}")
