"""Whether the service can be reached: its name resolves, each address connects, TLS is trusted."""

import socket
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from extauth_http.check.finding import Finding, broken, good, warning
from extauth_http.check.service.certificate import certificate_finding
from extauth_http.config.backend import BackendSettings
from extauth_http.config.endpoint import Origin

TIMED_OUT = "timeout"


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
    """``table`` is the backend's table in the configuration. The addresses share ``seconds``, as
    in a login."""
    if backend.trust_env:
        return  # a proxy from the environment may be in use
    host, port = origin.host.decode(), origin.port
    url = f"{origin.scheme.decode()}://{f'[{host}]' if ':' in host else host}:{port}"
    try:
        resolved = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        yield broken(
            "backend-name",
            f"the name {host} does not resolve. Check the url, /etc/hosts and the name servers in "
            "/etc/resolv.conf",
        )
        return
    addresses = dict.fromkeys(str(each[4][0]) for each in resolved)
    connected = _connect(addresses, port, seconds / len(resolved))
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
            connection.settimeout(seconds)
            yield certificate_finding(connection, host, url, backend, table)


def _connect(addresses: Iterable[str], port: int, timeout: float) -> Connected:
    """Connects to each address and keeps the first connection."""
    first: socket.socket | None = None
    seconds = 0.0
    errors: dict[str, str] = {}
    for address in addresses:
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
