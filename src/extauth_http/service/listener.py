"""TODO."""

import contextlib
import grp
import os
import socket
from dataclasses import dataclass
from pathlib import Path

BACKLOG = 1024
"""Connections that may wait to be accepted: every pool member of a large server at once."""

FIRST_PASSED = 3
"""The first descriptor that systemd passes (sd_listen_fds(3))."""


class ServeError(Exception):
    """Why the service cannot start, in a sentence."""


@dataclass(frozen=True, slots=True)
class Listener:
    """The socket that listens; ``path`` and ``inode`` where it was made here."""

    listening: socket.socket
    path: Path | None = None
    inode: int = 0

    @classmethod
    def at(cls, path: Path, group: str | None) -> "Listener":
        """Makes one. It gets its place only when it has its mode and group, and takes that of a
        socket which nobody listens at any more. Raises CannotServe."""
        if _is_listened_at(path):
            raise ServeError(f"{path}: a service listens there already")
        if path.exists() and not path.is_socket():
            raise ServeError(f"{path}: there is something else than a socket")
        listening = socket.socket(socket.AF_UNIX)
        new = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            before = os.umask(0o177)
            try:
                listening.bind(str(new))
            finally:
                os.umask(before)
            if group is not None:
                os.chown(new, -1, grp.getgrnam(group).gr_gid)
            new.chmod(0o660)
            listening.listen(BACKLOG)
            new.rename(path)
        except KeyError:
            new.unlink()
            raise ServeError(f"--group: there is no group {group} on this machine") from None
        except OSError as error:
            new.unlink(missing_ok=True)
            raise ServeError(f"{path}: cannot listen there: {error.strerror or error}") from None
        listening.setblocking(False)
        return cls(listening, path, path.stat().st_ino)

    def close(self) -> None:
        """Takes no more connections here; the place may be another service's by now."""
        self.listening.close()
        if self.path:
            with contextlib.suppress(OSError):
                if self.path.stat().st_ino == self.inode:
                    self.path.unlink()


def inherited_listener() -> Listener | None:
    """The socket that systemd listens at for this process, if it does. Raises CannotServe."""
    if os.environ.pop("LISTEN_PID", None) != str(os.getpid()):
        return None
    count = os.environ.pop("LISTEN_FDS", "0")
    if count != "1":
        raise ServeError(f"systemd passed {count} sockets, expected one")
    try:
        listening = socket.socket(fileno=FIRST_PASSED)
    except OSError as error:
        raise ServeError(f"what systemd passed is no socket: {error.strerror}") from None
    if listening.family != socket.AF_UNIX or listening.type != socket.SOCK_STREAM:
        raise ServeError("expected ListenStream= with a path in the systemd socket unit")
    listening.set_inheritable(False)
    listening.setblocking(False)
    return Listener(listening)


def _is_listened_at(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as trial:
        trial.settimeout(1.0)
        try:
            trial.connect(str(path))
        except TimeoutError:
            return True
        except OSError:
            return False
    return True
