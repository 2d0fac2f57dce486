"""The ``serve`` command: prepares the socket and the metrics, then runs the supervisor."""

import contextlib
import resource
import shutil
import socket
from pathlib import Path

from extauth_http.program.streams import quiet_streams
from extauth_http.service.listener import Listener, ServeError, inherited_listener
from extauth_http.service.metrics_folder import create_metrics_folder
from extauth_http.service.privileges import account_of, change_to
from extauth_http.service.supervisor import Supervisor


def serve(
    config: Path | None,
    path: Path,
    *,
    user: str | None,
    group: str | None,
    workers: int,
    metrics: tuple[str, int] | None,
) -> None:
    """Serves until SIGTERM or SIGINT. Packets already received are still answered.

    Uses the socket that systemd passes, otherwise creates one at ``path`` for ``group``. Then it
    changes to the account ``user``, before it reads the configuration.
    ``workers`` is a number of processes, ``metrics`` the address and port for scrapes. Raises
    ServeError.
    """
    quiet_streams()
    account = account_of(user)
    if metrics:
        _check_address(*metrics)
    listener = inherited_listener() or Listener.bind(path, group, account)
    if account:
        change_to(account)
    _raise_descriptor_limit()
    folder = create_metrics_folder() if metrics else None
    try:
        Supervisor(listener, config, workers, metrics, folder).run()
    finally:
        if folder:
            shutil.rmtree(folder, ignore_errors=True)


def _raise_descriptor_limit() -> None:
    """Each pool member needs two descriptors of a worker: one for its relay, one for the service.
    The soft limit is often 1,024, and the hard limit is what the administrator allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _check_address(host: str, port: int) -> None:
    try:
        with socket.create_server((host, port), family=socket.getaddrinfo(host, port)[0][0]):
            pass
    except OSError as error:
        raise ServeError(f"--metrics {host}:{port}: {error.strerror}") from None
