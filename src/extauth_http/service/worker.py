"""One process of the service: each connection to its socket is a port like any other.

A port is a thread of its own, so a member that waits for its answer does not hold up another.
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


FULL_SECONDS = 0.02
"""Pause after a connection that could not be accepted: no more file descriptors, or no memory."""


class Worker:
    """The ports of one process. ``lifeline`` can be read once the parent is gone; ``ready`` is
    called when the configuration was read for the first time."""

    def __init__(
        self,
        listening: socket.socket,
        lifeline: int,
        config: Path | None,
        metrics: "Metrics | None",
        ready: Callable[[], None],
    ) -> None:
        self._listening = listening
        self._metrics = metrics
        self._ready = ready
        self._log = Log()
        self._live = LiveConfig(config, self._log)
        self._open: dict[int, socket.socket] = {}
        self._is_finishing = False
        self._watch = Watchdog(on_hangup=self._live.reload_aside, on_stop=self.finish)
        self._watch.hear(listening.fileno(), self._accept)
        self._watch.hear(lifeline, self.finish)

    def run(self) -> None:
        """Answers until SIGTERM, SIGINT or the end of the parent, and then to the last packet."""
        threading.Thread(target=self._read_configuration, name="reload", daemon=True).start()
        self._watch.run()

    def _read_configuration(self) -> None:
        self._live.reload()
        self._ready()

    def finish(self) -> None:
        """Answers what has come, on connections that wait to be accepted too; takes no more."""
        if self._is_finishing:
            return
        self._is_finishing = True
        while self._accept():
            pass
        self._listening.close()
        self._watch.finish()
        for connection in self._open.values():
            # What was received is still read and answered; who sends more learns that at once.
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RD)

    def _accept(self) -> bool:
        """Accepts one connection; False where there was none."""
        try:
            connection, _ = self._listening.accept()
        except BlockingIOError:  # another process was faster
            return False
        except OSError as error:
            self._log.event("error", "accept_failed", detail=error.strerror)
            time.sleep(FULL_SECONDS)
            return False
        descriptor = connection.fileno()
        port = Port(
            descriptor,
            descriptor,
            self._live.current,
            reader=PacketReader(),
            encode=encode,
            record=self._record,
            warn=lambda name, detail: self._log.event("warning", name, detail=detail),
            wake=self._watch.wake,
            begin=self._begin,
        )
        self._open[descriptor] = connection
        if self._metrics:
            self._metrics.connected()
        self._watch.add(port, on_end=lambda: self._close(descriptor))
        port.start()
        return True

    def _close(self, descriptor: int) -> None:
        self._open.pop(descriptor).close()
        if self._metrics:
            self._metrics.disconnected()

    def _begin(self) -> None:
        if self._metrics:
            self._metrics.begun()

    def _record(self, outcome: Outcome) -> None:
        self._log.outcome(outcome)
        if self._metrics:
            self._metrics.answered(outcome, self._live.hosts)
