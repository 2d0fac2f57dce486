"""A worker process of ``serve``: each connection to the socket is a port of its own.

Each port runs in its own thread, so a pool member that waits for a reply delays no other.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from extauth_http.program.live_config import LiveConfig
from extauth_http.program.log import Log
from extauth_http.program.outcome import Outcome, encode
from extauth_http.program.port import Port
from extauth_http.program.watchdog import Watchdog
from extauth_http.protocol.packets import PacketReader

if TYPE_CHECKING:
    from extauth_http.service.metrics import Metrics


ACCEPT_RETRY_SECONDS = 0.02
"""The pause after a failed ``accept``, which is a lack of file descriptors or of memory."""


ACCEPT_EVENT_SECONDS = 60.0
"""The time between two log events about connections that cannot be accepted."""


class Worker:
    """The ports of one process.

    ``parent_pipe`` becomes readable when the supervisor ends. ``on_ready`` is called after the
    configuration was read for the first time.
    """

    def __init__(
        self,
        listening: socket.socket,
        parent_pipe: int,
        config: Path | None,
        metrics: "Metrics | None",
        on_ready: Callable[[], None],
    ) -> None:
        self._listening = listening
        self._metrics = metrics
        self._on_ready = on_ready
        self._log = Log()
        self._live = LiveConfig(config, self._log)
        self._connections: dict[int, socket.socket] = {}
        self._is_finishing = False
        self._accept_failures = 0
        self._next_accept_event = 0.0
        self._watchdog = Watchdog(on_hangup=self._live.reload_in_thread, on_stop=self.finish)
        self._watchdog.add_reader(listening.fileno(), self._accept)
        self._watchdog.add_reader(parent_pipe, self.finish)

    def run(self) -> None:
        """Answers packets until SIGTERM, SIGINT or the end of the supervisor.

        Returns after every packet that was received has its reply.
        """
        threading.Thread(target=self._read_configuration, name="reload", daemon=True).start()
        self._watchdog.run()

    def _read_configuration(self) -> None:
        self._live.reload()
        self._on_ready()

    def finish(self) -> None:
        """Stops reading. Packets already received are answered, on waiting connections as well."""
        if self._is_finishing:
            return
        self._is_finishing = True
        while self._accept():
            pass
        self._listening.close()
        self._watchdog.finish()
        for connection in self._connections.values():
            # Data already received can still be read. Sending more fails at once.
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RD)

    def _log_accept_failure(self, error: OSError) -> None:
        """Logs the first failure at once, and then one event a minute with their number."""
        self._accept_failures += 1
        now = time.monotonic()
        if now < self._next_accept_event:
            return
        count, self._accept_failures = self._accept_failures, 0
        self._next_accept_event = now + ACCEPT_EVENT_SECONDS
        self._log.event("error", "accept_failed", detail=error.strerror, count=count)

    def _accept(self) -> bool:
        """Accepts one connection. Returns false if there was none."""
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
        )
        self._connections[descriptor] = connection
        if self._metrics:
            self._metrics.connection_opened()
        self._watchdog.add(port, on_end=lambda: self._close(descriptor))
        port.start()
        return True

    def _close(self, descriptor: int) -> None:
        self._connections.pop(descriptor).close()
        if self._metrics:
            self._metrics.connection_closed()

    def _packet_received(self) -> None:
        if self._metrics:
            self._metrics.packet_received()

    def _record(self, outcome: Outcome) -> None:
        self._log.outcome(outcome)
        if self._metrics:
            self._metrics.packet_answered(outcome, self._live.hosts)
