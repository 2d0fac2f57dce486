"""The process that ``extauth_program`` starts: one port on standard input and output."""

import os
from pathlib import Path

from extauth_http.program.live_config import LiveConfig
from extauth_http.program.log import Log
from extauth_http.program.outcome import encode
from extauth_http.program.port import Port
from extauth_http.program.queue_age import QueueAge
from extauth_http.program.streams import take_streams
from extauth_http.program.watchdog import Watchdog
from extauth_http.protocol.packet_parser import PacketReader


def run(config: Path | None, *, debug: bool) -> None:
    """Answers packets until end of input, a closed output, SIGTERM or SIGINT.

    Does not return: the process exits even if a thread hangs.
    """
    source, sink = take_streams()
    log = Log(console_level="debug" if debug else None)
    live = LiveConfig(config, log)
    stream = None
    if debug:
        from extauth_http.program.debug_stream import DebugStream

        stream = DebugStream()
    watchdog = Watchdog(on_hangup=live.reload_in_thread)

    def warn(name: str, detail: str) -> None:
        live.current()  # the configuration names the log file
        log.event("warning", name, detail=detail)

    port = Port(
        source,
        sink,
        live.acquire,
        reader=stream or PacketReader(),
        encode=stream.encode if stream else encode,
        record=log.outcome,
        warn=warn,
        wake=watchdog.wake,
        queue_age=None if debug else QueueAge(watchdog.wake),
    )
    live.reload_in_thread()
    watchdog.add(port)
    port.start()
    watchdog.run()
    os._exit(0)
