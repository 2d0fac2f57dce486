"""How old the next packet of ejabberd can be, and when it must be answered.

Each pool member has a queue in ejabberd, which this program does not see. ejabberd waits 30 s for
an answer, including the time in the queue. Then it ends the pool member, and every login in its
queue fails (``extauth.erl``).

But ejabberd sends the next packet of a queue as soon as it has the reply to the one before. So as
long as packets follow each other without a pause, the oldest one can have waited since the first of
them arrived, and no longer. After a pause the queue was empty.

A packet is due early enough that even the oldest possible one is answered in time. If too little
time remains for a request, it is answered at once, and so is the rest of the queue. The program
then starts again with an empty queue. If packets arrive faster than the service can answer, some of
them must be refused in any case. So this does not reduce the number of logins that get a verdict.
"""

import time
from collections.abc import Callable

from extauth_http.program.pending_packet import PendingPacket
from extauth_http.protocol.limits import EJABBERD_TIMEOUT
from extauth_http.protocol.replies import Dialect

PAUSE_SECONDS = 0.01
"""A shorter wait is no pause. A packet that waits in a queue arrives within 2 ms in 99 of 100
cases. On a busy machine it can take 100 ms, so a wait that is shorter than the mean time of an
answer is no pause either."""

MARGIN_SECONDS = 2.0
"""The time from the last reply to a queue until the end of ejabberd's wait."""

MIN_SECONDS = 1.0
"""With less time, a packet is answered without a request to the service."""

REFUSING_SECONDS = 1.5
"""The time in which ejabberd usually gets the replies to the rest of a queue. New packets can
arrive so fast that there is no pause between them, so a shorter pause is enough after it."""

SHORTER = 0.25
"""The length of that pause, as a fraction of the mean time of an answer."""


class QueueAge:
    """The queue of one pool member. ``wake`` makes the watchdog check the port at once."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._busy_since = time.monotonic()
        self._requests = 0
        self._refusing_since: float | None = None

    def packet_arrived(self, waiting_since: float, now: float) -> None:
        """A packet arrived, for which the program has waited since ``waiting_since``."""
        pause = now - waiting_since
        if pause > PAUSE_SECONDS and pause > self._least_pause(waiting_since):
            self._busy_since = now
            self._requests = 0
            self._refusing_since = None

    def _least_pause(self, now: float) -> float:
        if not self._requests:
            return 0.0
        asked_until = self._refusing_since or now
        mean_seconds = (asked_until - self._busy_since) / self._requests
        return mean_seconds if now - asked_until < REFUSING_SECONDS else SHORTER * mean_seconds

    def leaves_time_for(self, packet: PendingPacket) -> bool:
        """Whether enough time remains to ask the service about a packet.

        Shortens the deadline of the packet if the oldest possible packet needs it. MongooseIM does
        not count the time in its queue, so nothing changes for it.
        """
        due = self._busy_since + EJABBERD_TIMEOUT - MARGIN_SECONDS
        if packet.due > due and packet.dialect is Dialect.EJABBERD:
            if due - packet.started < MIN_SECONDS:
                self._refusing_since = self._refusing_since or packet.started
                return False
            packet.due = due
            self._wake()
        self._requests += 1
        return True
