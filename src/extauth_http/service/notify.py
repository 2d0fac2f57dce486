"""Service state for systemd (the protocol of sd_notify(3))."""

import contextlib
import os
import socket


def notify(state: str) -> None:
    """Sends a state such as ``READY=1`` to ``$NOTIFY_SOCKET``. Does nothing if that is not set.

    A leading ``@`` stands for the null byte of an abstract socket address.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address.startswith("@"):
        address = "\0" + address[1:]
    if address:
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
        ):
            sender.sendto(state.encode(), address)
