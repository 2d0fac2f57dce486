"""Bans that must be lifted again, saved on disk so that they survive the end of this program.

Each pending ban is one small file. The process that handles it holds its lock, so a file without a
lock was left behind. The files decide what is done to a room with the rights of an administrator.
So the directory must belong to this account, and no other account may write to it.
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
MAX_FILE = 65_536  # bytes


class PendingBanError(Exception):
    """A pending ban cannot be saved or read. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class PendingBan:
    """A ban that must be lifted: the API's URL, the room, the user, and the affiliation that the
    user had before."""

    api: str
    room: str
    service: str
    user: str
    host: str
    affiliation: str

    @property
    def user_jid(self) -> Jid:
        return Jid(self.user, self.host)

    @property
    def room_jid(self) -> Jid:
        return Jid(self.room, self.service)

    @property
    def file_name(self) -> str:
        words = "\n".join((self.api, self.room, self.service, self.user, self.host))
        return f"{hashlib.sha256(words.encode()).hexdigest()[:24]}.json"


def directory() -> Path:
    """``$XDG_STATE_HOME/extauth-http/bans``; without the variable, it is in ~/.local/state.

    A relative ``XDG_STATE_HOME`` is ignored, as the XDG Base Directory Specification requires.
    Raises PendingBanError.
    """
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    if not state.is_absolute():
        try:
            state = Path.home() / ".local" / "state"
        except RuntimeError:
            raise PendingBanError(
                "there is no home directory to save a pending ban in: set XDG_STATE_HOME"
            ) from None
    return state / "extauth-http" / "bans"


def create_directory() -> Path:
    """The directory, created if it does not exist. Raises PendingBanError if it is not safe or not
    writable."""
    path = directory()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        _require_private(path)
        if not os.access(path, os.W_OK | os.X_OK):
            raise PendingBanError(f"{path}: no permission to save a pending ban there")
    except OSError as error:
        raise _not_usable(path, error) from None
    return path


@contextmanager
def hold(ban: PendingBan) -> Iterator[Path]:
    """Saves a pending ban and holds its lock until the ``with`` block ends.

    The file is on disk before the block begins. It stays there unless ``forget`` removes it.
    Raises PendingBanError.
    """
    file = create_directory() / ban.file_name
    try:
        descriptor = _open_locked(file)
    except OSError as error:
        raise _not_usable(file, error) from None
    with os.fdopen(descriptor, "r+b") as opened:
        try:
            opened.truncate()
            opened.write(json.dumps(asdict(ban)).encode())
            opened.flush()
            os.fsync(opened.fileno())
            _sync_directory(file.parent)
        except OSError as error:
            forget(file)
            raise _not_usable(file, error) from None
        yield file


def left_behind(api: str) -> Iterator[tuple[PendingBan, Path]]:
    """The pending bans of a server that no running process holds; each is locked while it is
    handled. Raises PendingBanError if the directory is not safe."""
    path = directory()
    try:
        _require_private(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _not_usable(path, error) from None
    for file in sorted(path.glob("*.json")):
        try:
            descriptor = os.open(file, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            continue
        with os.fdopen(descriptor, "rb"):
            ban = _lock_and_read(descriptor, file)
            if ban and ban.api == api:
                yield ban, file


def forget(file: Path) -> None:
    """Removes the file of a pending ban. A file that cannot be removed is handled again later."""
    with contextlib.suppress(OSError):
        file.unlink()


def _open_locked(file: Path) -> int:
    """A descriptor of a file whose lock is held. The previous holder may have removed the
    file in between; then a new one is created."""
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


def _lock_and_read(descriptor: int, file: Path) -> PendingBan | None:
    """A pending ban that nobody holds; None if it is held, removed, or not valid."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode) or not os.path.samestat(state, file.lstat()):
            return None
        content = json.loads(os.read(descriptor, MAX_FILE))
        ban = PendingBan(**content)
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    is_text = all(isinstance(value, str) for value in content.values())
    if not is_text or ban.affiliation not in AFFILIATIONS or ban.file_name != file.name:
        return None
    return ban


def _require_private(path: Path) -> None:
    """Raises PendingBanError for a directory in which another account could create a file."""
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise PendingBanError(f"{path}: not a directory; pending bans are saved there")
    if found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise PendingBanError(
            f"{path}: other accounts may write to this directory; pending bans are saved there"
        )


def _sync_directory(path: Path) -> None:
    """Writes the name of a new file to disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _not_usable(path: Path, error: OSError) -> PendingBanError:
    return PendingBanError(f"{path}: cannot save a pending ban there: {error.strerror}")
