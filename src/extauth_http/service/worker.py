"""A worker process of ``serve``: each connection to the socket is a port of its own.

Each port runs in its own thread, so a pool member that waits for a reply delays no other.
"""

import contextlib
import errno
import resource
import select
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from extauth_http.program.live_config import LiveConfig
from extauth_http.program.log import Log
from extauth_http.program.outcome import Outcome, encode
from extauth_http.program.port import Port
from extauth_http.program.queue_age import QueueAge
from extauth_http.program.watchdog import Watchdog
from extauth_http.protocol.packet_parser import PacketReader
from extauth_http.service.connection_counts import ConnectionCounts
from extauth_http.service.worker_channel import BALANCE, LISTEN, receive

if TYPE_CHECKING:
    from extauth_http.service.metrics import Metrics


ACCEPT_RETRY_SECONDS = 0.02
"""The pause after a failed ``accept``, which is a lack of file descriptors or of memory."""


ACCEPT_EVENT_SECONDS = 60.0
"""The time between two log events about connections that cannot be accepted."""


ACCEPT_DELAY_SECONDS = 0.002
"""How long a worker leaves a connection to the others if one of them has fewer connections."""


FINISH_SECONDS = 1.5
"""How long a worker that ends waits for a reply, unless the operation changes something. A relay
sends such a packet once more, to the next service, and waits for half of its deadline until there
is one. So a request that hangs must not delay the end."""

FINISH_CHECK_SECONDS = 0.1
"""The time between two checks for requests that take longer."""


class Worker:
    """The ports of one process. ``number`` is its place in ``counts``.

    ``parent_pipe`` becomes readable when the supervisor ends, ``channel`` when it has a message.
    ``on_ready`` is called after the configuration was read for the first time.
    """

    def __init__(
        self,
        listening: socket.socket,
        parent_pipe: int,
        channel: socket.socket,
        config: Path | None,
        metrics: "Metrics | None",
        on_ready: Callable[[], None],
        number: int,
        counts: ConnectionCounts,
    ) -> None:
        self._listening = listening
        self._channel = channel
        self._number = number
        self._counts = counts
        self._metrics = metrics
        self._on_ready = on_ready
        self._log = Log()
        self._live = LiveConfig(config, self._log)
        self._connections: dict[int, socket.socket] = {}
        self._ports: dict[int, Port] = {}
        self._is_finishing = False
        self._accept_failures = 0
        self._next_accept_event = 0.0
        self._watchdog = Watchdog(on_hangup=self._live.reload_in_thread, on_stop=self.finish)
        self._watchdog.add_reader(listening.fileno(), self._accept)
        self._watchdog.add_reader(parent_pipe, self.finish)
        self._watchdog.add_reader(channel.fileno(), self._handle_message)

    def run(self) -> None:
        """Answers packets until SIGTERM, SIGINT or the end of the supervisor.

        Returns after every packet that was received has its reply, or is left to the next service.
        """
        self._counts.set(self._number, 0)
        threading.Thread(target=self._read_configuration, name="reload", daemon=True).start()
        self._watchdog.run()

    def _read_configuration(self) -> None:
        self._live.reload()
        self._on_ready()

    def finish(self) -> None:
        """Stops reading. Packets already received are answered, on waiting connections as well.

        One that takes longer than ``FINISH_SECONDS`` is left to its relay, if that may repeat it.
        """
        if self._is_finishing:
            return
        self._is_finishing = True
        self._counts.stop(self._number)
        while self._accept():
            pass
        self._listening.close()
        self._watchdog.finish()
        for connection in self._connections.values():
            _stop_reading(connection)
        self._leave_slow_packets(time.monotonic())

    def _leave_slow_packets(self, finishing_since: float) -> None:
        """Closes the connections whose relay must send its packet once more. Sends no reply."""
        now = time.monotonic()
        for descriptor, port in list(self._ports.items()):
            pending = port.pending
            if pending is None or not pending.is_repeatable:
                continue
            if now - max(pending.started, finishing_since) >= FINISH_SECONDS:
                with contextlib.suppress(OSError):
                    self._connections[descriptor].shutdown(socket.SHUT_RDWR)
                self._watchdog.abort(port)
        check = partial(self._leave_slow_packets, finishing_since)
        self._watchdog.call_after(FINISH_CHECK_SECONDS, check)

    def _handle_message(self) -> None:
        """Handles a message of the supervisor. Without one, the supervisor has ended."""
        message, listening = b"", None
        with contextlib.suppress(OSError):
            message, listening = receive(self._channel)
        if message == BALANCE:
            self._balance()
        elif message == LISTEN and listening:
            self._listen_on(listening)
        else:  # a new worker can listen on the new socket
            self.finish()

    def _listen_on(self, listening: socket.socket) -> None:
        while self._accept():  # relays that connected to the old socket before it was removed
            pass
        self._watchdog.replace_reader(self._listening.fileno(), listening.fileno())
        self._listening.close()
        self._listening = listening

    def _balance(self) -> None:
        """Closes the connections above the share of this worker. Their relays connect again."""
        surplus = self._counts.surplus(self._number)
        for descriptor in list(self._connections)[:surplus]:
            self._watchdog.ignore_end_of_input(descriptor)
            _stop_reading(self._connections[descriptor])

    def _log_accept_failure(self, error: OSError) -> None:
        """Logs the first failure at once, and then one event a minute with their number."""
        self._accept_failures += 1
        now = time.monotonic()
        if now < self._next_accept_event:
            return
        count, self._accept_failures = self._accept_failures, 0
        self._next_accept_event = now + ACCEPT_EVENT_SECONDS
        detail = error.strerror or type(error).__name__
        if error.errno in (errno.EMFILE, errno.ENFILE):
            limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
            detail += (
                f": this worker has {len(self._connections)} pool members, which need two files "
                f"each, and a limit of {limit} files; raise LimitNOFILE= or the number of workers"
            )
        self._log.event("error", "accept_failed", detail=detail, count=count)

    def _accept(self) -> bool:
        """Accepts one connection. Returns false if there was none."""
        if self._counts.has_most(self._number) and not self._is_finishing:
            time.sleep(ACCEPT_DELAY_SECONDS)
        try:
            connection, _ = self._listening.accept()
        except BlockingIOError:  # another worker was faster
            return False
        except OSError as error:
            self._log_accept_failure(error)
            time.sleep(ACCEPT_RETRY_SECONDS)
            return False
        descriptor = connection.fileno()
        port = Port(
            descriptor,
            descriptor,
            self._live.acquire,
            reader=PacketReader(),
            encode=encode,
            record=self._record,
            warn=lambda name, detail: self._log.event("warning", name, detail=detail),
            wake=self._watchdog.wake,
            begin=self._packet_received,
            has_reader=_Peer(descriptor).is_connected,
            queue_age=QueueAge(self._watchdog.wake),
        )
        self._connections[descriptor] = connection
        self._ports[descriptor] = port
        self._count_connections()
        if self._metrics:
            self._metrics.connection_opened()
        self._watchdog.add(port, on_end=lambda: self._close(descriptor))
        port.start()
        return True

    def _close(self, descriptor: int) -> None:
        del self._ports[descriptor]
        self._connections.pop(descriptor).close()
        self._count_connections()
        if self._metrics:
            self._metrics.connection_closed()

    def _count_connections(self) -> None:
        if not self._is_finishing:
            self._counts.set(self._number, len(self._connections))

    def _packet_received(self) -> None:
        if self._metrics:
            self._metrics.packet_received()

    def _record(self, outcome: Outcome) -> None:
        self._log.outcome(outcome)
        if self._metrics:
            self._metrics.packet_answered(outcome, self._live.hosts)


class _Peer:
    """The relay at the other end of a connection."""

    def __init__(self, descriptor: int) -> None:
        self._poll = select.poll()
        self._poll.register(descriptor, 0)  # poll always reports POLLHUP and POLLERR

    def is_connected(self) -> bool:
        """False if the relay has closed the connection, so that nobody reads the reply."""
        return not self._poll.poll(0)


def _stop_reading(connection: socket.socket) -> None:
    """Data already received can still be read. Sending more fails at once."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RD)
