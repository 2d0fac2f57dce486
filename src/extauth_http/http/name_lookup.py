"""A host name → socket addresses, within a time limit.

``getaddrinfo`` has no time limit: it returns when the resolver gives up, which can take a minute.
It therefore runs in a thread, which is left alone when the time is up.
"""

import socket
import threading
from collections.abc import Sequence
from typing import Any

Address = tuple[int, int, int, str, Any]
"""Family, type, protocol, canonical name and socket address, as ``getaddrinfo`` returns them."""


def look_up(host: str, port: int, seconds: float) -> Sequence[Address]:
    """The addresses of a host.

    Raises TimeoutError, and socket.gaierror or UnicodeError if the name has no address.
    """
    try:
        # An address needs no resolver and no thread.
        numeric = socket.AI_NUMERICHOST
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=numeric)
    except socket.gaierror:
        pass
    lookup = _Lookup(host, port)
    lookup.start()
    lookup.join(seconds)
    return lookup.result()


class _Lookup(threading.Thread):
    def __init__(self, host: str, port: int) -> None:
        super().__init__(name="name lookup", daemon=True)
        self._host = host
        self._port = port
        self._result: Sequence[Address] | Exception = TimeoutError()

    def run(self) -> None:
        try:
            self._result = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except Exception as error:  # noqa: BLE001 - raised again where the result is used
            self._result = error

    def result(self) -> Sequence[Address]:
        if isinstance(self._result, Exception):
            raise self._result
        return self._result
