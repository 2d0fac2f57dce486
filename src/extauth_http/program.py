"""The process that ``extauth_program`` names: one port on standard input and output."""

import os
import sys
import threading
from pathlib import Path

from extauth_http.logs import Log
from extauth_http.port import Outcome, Port
from extauth_http.protocol import PacketReader, reply
from extauth_http.reload import Live
from extauth_http.replay import ByHand
from extauth_http.watch import Watch


def run(config: Path | None, *, debug: bool) -> None:
    """Answers packets until the input ends, nobody reads the answers, or SIGTERM or SIGINT.

    Does not return: a thread that hangs in a library must not keep the process.
    """
    source, sink = take_streams()
    log = Log(by_hand="debug" if debug else None)
    live = Live(config, log)
    by_hand = ByHand() if debug else None
    watch = Watch(on_hangup=live.reload_aside)

    def warn(name: str, detail: str) -> None:
        live.current()  # the configuration says where the log is
        log.event("warning", name, detail=detail)

    port = Port(
        source,
        sink,
        live.current,
        reader=by_hand or PacketReader(),
        encode=by_hand.encode if by_hand else encode,
        record=log.outcome,
        warn=warn,
        wake=watch.wake,
    )
    live.reload_aside()
    watch.add(port)
    port.start()
    watch.run()
    os._exit(0)


def encode(outcome: Outcome) -> bytes:
    """The reply to a packet, as the server understands it."""
    return reply(outcome.decision.answer.verdict, outcome.operation, outcome.dialect)


def take_streams() -> tuple[int, int]:
    """Standard input and output for the port alone: whatever else prints, prints to standard
    error from now on, and whatever else reads finds nothing."""
    _open_streams()
    source, sink = os.dup(0), os.dup(1)
    quiet_streams()
    return source, sink


def quiet_streams() -> None:
    """Standard input is empty, what prints to standard output prints to standard error, and an
    exception that nobody catches prints nothing."""
    _open_streams()
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    # What Python prints of an exception that nobody catches quotes its text.
    threading.excepthook = lambda _: None
    sys.unraisablehook = lambda _: None


def _open_streams() -> None:
    """Whoever starts the program with one of them closed would have a socket take its number."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
