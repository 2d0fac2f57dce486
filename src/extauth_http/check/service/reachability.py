"""Whether the service can be reached: its name resolves, each address connects, TLS is trusted."""

import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from extauth_http.check.finding import Finding, broken, good, warning
from extauth_http.check.service.certificate import certificate_finding
from extauth_http.config.backend import BackendSettings
from extauth_http.config.endpoint import Origin
from extauth_http.http.name_lookup import look_up

TIMED_OUT = "timeout"

MIN_TIMEOUT = 0.001
"""Seconds of a step for which no time is left. Zero would make the socket non-blocking."""


@dataclass(frozen=True, slots=True)
class Connected:
    """The first open connection, None if there is none, the seconds that it took, and the error of
    each address that did not connect."""

    connection: socket.socket | None
    seconds: float
    errors: dict[str, str]


def findings(
    origin: Origin, backend: BackendSettings, table: str, seconds: float
) -> Iterator[Finding]:
    """``table`` is the backend's table in the configuration. All steps together take ``seconds``
    at most, as in a login."""
    if path := origin.socket_path:
        yield _socket_finding(path, seconds)
        return
    if backend.trust_env:
        return  # a proxy from the environment may be in use
    host, port = origin.host.decode(), origin.port
    url = f"{origin.scheme.decode()}://{f'[{host}]' if ':' in host else host}:{port}"
    due = time.monotonic() + seconds
    try:
        resolved = look_up(host, port, seconds)
    except TimeoutError:
        yield broken(
            "backend-name",
            f"the name {host} did not resolve within the deadline, {seconds:g} s. Check the name "
            "servers in /etc/resolv.conf",
        )
        return
    except (OSError, UnicodeError):
        yield broken(
            "backend-name",
            f"the name {host} does not resolve. Check the url, /etc/hosts and the name servers in "
            "/etc/resolv.conf",
        )
        return
    addresses = dict.fromkeys(str(each[4][0]) for each in resolved)
    connected = _connect(list(addresses), port, due)
    errors = "; ".join(f"{address}: {error}" for address, error in connected.errors.items())
    if connected.connection is None:
        yield broken(
            "backend-unreachable",
            f"cannot connect to {url} ({errors}). Check that the service runs, the port in the url "
            "and firewalls",
        )
        return
    with connected.connection as connection:
        address = connection.getpeername()[0]
        milliseconds = connected.seconds * 1000
        yield good("backend-connects", f"{url} ({address}) connects in {milliseconds:.1f} ms")
        if TIMED_OUT in connected.errors.values():
            yield warning(
                "backend-address",
                f"cannot connect to every address of {host} ({errors}): a new connection may lose "
                "time",
            )
        if origin.scheme == b"https":
            connection.settimeout(_time_left(due))
            yield certificate_finding(connection, host, url, backend, table)


def _socket_finding(path: str, seconds: float) -> Finding:
    started = time.monotonic()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(seconds)
        try:
            connection.connect(path)
        except OSError as error:
            return broken(
                "backend-unreachable",
                f"cannot connect to the socket {path}: {error.strerror or TIMED_OUT}. Check that "
                "the service runs and listens there, and that ejabberd's account may write to it",
            )
    milliseconds = (time.monotonic() - started) * 1000
    return good("backend-connects", f"the socket {path} connects in {milliseconds:.1f} ms")


def _connect(addresses: Sequence[str], port: int, due: float) -> Connected:
    """Connects to each address and keeps the first connection. The addresses share the time until
    ``due``, a time of ``time.monotonic()``."""
    first: socket.socket | None = None
    seconds = 0.0
    errors: dict[str, str] = {}
    for number, address in enumerate(addresses):
        timeout = _time_left(due) / (len(addresses) - number)
        started = time.monotonic()
        try:
            connection = socket.create_connection((address, port), timeout=timeout)
        except OSError as error:
            errors[address] = error.strerror or TIMED_OUT
            continue
        if first is None:
            first, seconds = connection, time.monotonic() - started
        else:
            connection.close()
    return Connected(first, seconds, errors)


def _time_left(due: float) -> float:
    return max(MIN_TIMEOUT, due - time.monotonic())
