"""The program without the deadline: no watchdog and no second thread. The difference to the real
program is the cost of ``program/port.py``."""

import os
import sys
import time
from pathlib import Path

from extauth_http.backends.registry import load
from extauth_http.program.decider import Decider
from extauth_http.program.log import Log
from extauth_http.program.outcome import Outcome
from extauth_http.protocol.packet_parser import PacketReader, parse
from extauth_http.protocol.replies import reply

settings = load(Path(sys.argv[1]))
decider, log, reader = Decider(settings), Log(), PacketReader()
log.configure(settings.log)
while data := os.read(0, 65_536):
    reader.feed(data)
    while (packet := reader.next_packet()) is not None:
        started = time.monotonic()
        command, request_id = parse(packet), os.urandom(8).hex()
        decision = decider.decide(command, started + 8.0, request_id)
        verdict = decision.answer.verdict
        os.write(1, reply(verdict, command.operation, decider.dialect))
        seconds = time.monotonic() - started
        size, operation = len(packet), command.operation
        outcome = Outcome(request_id, size, operation, command, decision, decider.dialect, seconds)
        log.outcome(outcome)
