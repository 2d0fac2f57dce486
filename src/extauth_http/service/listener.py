"""The Unix socket of ``serve``: created at a path, or inherited from systemd."""

import contextlib
import grp
import os
import socket
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

BACKLOG = 1024
"""Connections that may wait for ``accept``. All pool members of a large server connect at once."""

FIRST_SYSTEMD_DESCRIPTOR = 3
"""The first file descriptor that systemd passes (SD_LISTEN_FDS_START in sd_listen_fds(3))."""


class Owner(Protocol):
    """The account that a socket belongs to."""

    @property
    def uid(self) -> int: ...
    @property
    def gid(self) -> int: ...


class ServeError(Exception):
    """The service cannot start. The text is a sentence for the operator."""


class SocketState(Enum):
    """What is at the path of a listening socket."""

    IN_PLACE = "in place"
    REMOVED = "removed"
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening socket. ``is_own`` is true if this process created it, false if systemd did.

    ``identity`` is the inode of the socket and its time of change. A new socket may get the inode
    number of one that was removed. ``group`` and ``owner`` are those of ``bind``.
    """

    listening: socket.socket
    path: Path
    identity: tuple[int, int] = (0, 0)
    group: str | None = None
    owner: Owner | None = None
    is_own: bool = True

    @classmethod
    def bind(cls, path: Path, group: str | None, owner: Owner | None = None) -> "Listener":
        """Creates a socket at ``path`` with mode 0660, for ``owner`` and ``group``.

        Without them, the socket belongs to the user and group of this process.

        The socket is renamed to ``path`` after its mode and group are set, so nobody can connect
        to it before. It replaces a socket on which no process listens. Raises ServeError.
        """
        if _has_listener(path):
            raise ServeError(f"{path}: another service listens on this socket")
        if path.exists() and not path.is_socket():
            raise ServeError(f"{path}: the path exists and is not a socket")
        listening = socket.socket(socket.AF_UNIX)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            _listen(listening, draft, group, owner)
            draft.rename(path)
        except (KeyError, OSError) as error:
            listening.close()
            draft.unlink(missing_ok=True)
            if isinstance(error, KeyError):
                raise ServeError(f"--group {group}: this group does not exist") from None
            raise ServeError(f"{path}: cannot listen: {error.strerror or error}") from None
        listening.setblocking(False)
        return cls(listening, path, _identity(path), group, owner)

    def state(self) -> SocketState:
        """What is at the path of the socket now. New connections need the socket in its place."""
        try:
            inode, _ = _identity(self.path)
        except OSError:
            return SocketState.REMOVED
        return SocketState.IN_PLACE if inode == self.identity[0] else SocketState.REPLACED

    def close(self) -> None:
        """Closes the socket, and removes it if it is own and still in its place."""
        self.listening.close()
        with contextlib.suppress(OSError):
            if self.is_own and _identity(self.path) == self.identity:
                self.path.unlink()


def inherited_listener() -> Listener | None:
    """The socket that systemd passed to this process, or None. Raises ServeError."""
    if os.environ.pop("LISTEN_PID", None) != str(os.getpid()):
        return None
    count = os.environ.pop("LISTEN_FDS", "0")
    if count != "1":
        raise ServeError(f"systemd passed {count} sockets, expected one")
    try:
        listening = socket.socket(fileno=FIRST_SYSTEMD_DESCRIPTOR)
    except OSError as error:
        raise ServeError(f"systemd passed no socket: {error.strerror}") from None
    if listening.family != socket.AF_UNIX or listening.type != socket.SOCK_STREAM:
        raise ServeError("expected ListenStream= with a path in the systemd socket unit")
    listening.set_inheritable(False)
    listening.setblocking(False)
    path = Path(os.fsdecode(listening.getsockname()))
    identity = (0, 0)
    with contextlib.suppress(OSError):
        identity = _identity(path)
    return Listener(listening, path, identity, is_own=False)


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_ino, found.st_ctime_ns


def _listen(listening: socket.socket, path: Path, group: str | None, owner: Owner | None) -> None:
    """Raises KeyError if the group does not exist, and OSError.

    The path is used once more after bind, and never followed: an account that may write to the
    folder could replace the socket by a symbolic link, and root would give it any file. Nobody can
    connect before listen.
    """
    umask = os.umask(0o117)
    try:
        listening.bind(str(path))
    finally:
        os.umask(umask)
    if owner is not None:
        os.chown(path, owner.uid, owner.gid, follow_symlinks=False)
    if group is not None:
        os.chown(path, -1, grp.getgrnam(group).gr_gid, follow_symlinks=False)
    listening.listen(BACKLOG)


def _has_listener(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except TimeoutError:
            return True
        except OSError:
            return False
    return True
