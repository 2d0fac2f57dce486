"""Messages from the supervisor of ``serve`` to a worker, over a pair of Unix sockets.

There are two: ``BALANCE``, and ``LISTEN`` with the file descriptor of a new listening socket.
"""

import contextlib
import socket

BALANCE = b"balance"
LISTEN = b"listen"


def create_channel() -> tuple[socket.socket, socket.socket]:
    """The ends of the supervisor and of the worker. Neither of them waits."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setblocking(False)
    return ends


def send_balance(channel: socket.socket) -> None:
    """Tells a worker to close the connections above its share. A worker that hangs gets nothing."""
    with contextlib.suppress(OSError):
        channel.send(BALANCE)


def send_listening(channel: socket.socket, listening: socket.socket) -> None:
    """Tells a worker to accept connections from another socket."""
    with contextlib.suppress(OSError):
        socket.send_fds(channel, [LISTEN], [listening.fileno()])


def receive(channel: socket.socket) -> tuple[bytes, socket.socket | None]:
    """The next message, and the listening socket of ``LISTEN``.

    The message is empty if the supervisor has ended. The socket is None if this process has no
    file descriptor left for it. Raises OSError.
    """
    message, descriptors, _, _ = socket.recv_fds(channel, 64, 1)
    if not descriptors:
        return message, None
    listening = socket.socket(fileno=descriptors[0])
    listening.setblocking(False)
    return message, listening
