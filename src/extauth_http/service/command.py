"""TODO."""

import shutil
import socket
import tempfile
from pathlib import Path

from extauth_http.program.streams import quiet_streams
from extauth_http.service.listener import Listener, ServeError, inherited_listener
from extauth_http.service.supervisor import Supervisor


def serve(
    config: Path | None,
    path: Path,
    *,
    group: str | None,
    workers: int,
    metrics: tuple[str, int] | None,
) -> None:
    """Serves until SIGTERM or SIGINT; then what is under way gets its answer first.

    The socket is the one that systemd passes, else one at ``path`` for ``group``. Raises
    CannotServe.
    """
    quiet_streams()
    door = inherited_listener() or Listener.at(path, group)
    if metrics:
        _check_address(*metrics)
    folder = tempfile.mkdtemp(prefix="extauth-http-") if metrics else None
    try:
        Supervisor(door, config, workers, metrics, folder).run()
    finally:
        if folder:
            shutil.rmtree(folder, ignore_errors=True)


def _check_address(host: str, port: int) -> None:
    try:
        with socket.create_server((host, port), family=socket.getaddrinfo(host, port)[0][0]):
            pass
    except OSError as error:
        raise ServeError(f"--metrics {host}:{port}: {error.strerror}") from None
