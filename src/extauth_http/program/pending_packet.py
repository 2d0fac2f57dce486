"""One packet from its arrival to the end of its log event, as a state machine.

Two threads compete for a packet: the worker thread of the port, which decides it, and the watchdog,
which answers it when its time is up. The states settle who may do what:

``RECEIVED``
    The worker reads the configuration and parses the packet. It may hold a lock.
``DECIDING``
    The worker is inside the backend call and holds no lock of this program. Only here may the
    watchdog interrupt it.
``ANSWERING``
    The packet is claimed: exactly one thread writes its reply.
``WRITTEN``
    The reply is out. Its writer writes the log event.
``DONE``
    Exactly one thread reads the next packet.
"""

import contextlib
import os
import threading
import time
from enum import IntEnum
from types import MappingProxyType
from typing import Protocol

from extauth_http.program.outcome import Decision, Outcome
from extauth_http.program.threads import clear_interrupt, interrupt
from extauth_http.protocol.command import Command, Operation
from extauth_http.protocol.replies import Dialect

QUEUED_SECONDS, QUEUED_SHARE = 0.005, 0.1
"""A packet has probably waited for the last reply if it arrives so soon after it. The second value
is a share of the time to that reply. ejabberd sends the next packet of a pool member at once."""


class PacketState(IntEnum):
    """The states of a packet, in their order. An integer, because its hash is needed often."""

    RECEIVED = 1
    DECIDING = 2
    ANSWERING = 3
    WRITTEN = 4
    DONE = 5


# Names of this module: until Python 3.12 each access to a member of an enum costs 0.1 µs.
RECEIVED, DECIDING, ANSWERING, WRITTEN, DONE = PacketState

TRANSITIONS = MappingProxyType(
    {
        RECEIVED: frozenset({DECIDING, ANSWERING}),
        DECIDING: frozenset({ANSWERING}),
        # DONE follows at once if the other side has closed its end: no reply can be written.
        ANSWERING: frozenset({WRITTEN, DONE}),
        WRITTEN: frozenset({DONE}),
        DONE: frozenset(),
    }
)
"""The states that can follow each state. No state can be entered twice."""


class IllegalTransitionError(Exception):
    """A transition that ``TRANSITIONS`` does not list."""


class Releasable(Protocol):
    """Something that a packet uses until it is answered."""

    def release(self) -> None: ...


class PendingPacket:
    """A packet and what is known of it so far.

    ``size`` is in bytes. ``started`` and ``due`` are times of ``time.monotonic()``. ``written`` is
    the number of bytes of ``reply`` that are out. ``is_queued`` says whether the packet has
    probably waited in ejabberd for the last reply. All methods are safe to call from any thread,
    and none of them waits.
    """

    __slots__ = (
        "_is_interrupt_sent",
        "_resources",
        "_successors",
        "backend",
        "command",
        "decision",
        "dialect",
        "due",
        "is_queued",
        "operation",
        "reply",
        "request_id",
        "size",
        "started",
        "state",
        "written",
    )

    def __init__(self, size: int, deadline: float, dialect: Dialect) -> None:
        """``deadline`` is in seconds."""
        self.request_id = os.urandom(8).hex()
        self.size = size
        self.started = time.monotonic()
        self.due = self.started + deadline
        self.is_queued = False
        self.operation: Operation | None = None
        self.command: Command | None = None
        self.dialect = dialect
        self.backend: str | None = None
        self.decision: Decision | None = None
        self.reply: bytes | None = None
        self.written = 0
        self._is_interrupt_sent = False
        self.state = RECEIVED
        self._successors: dict[PacketState, tuple[PacketState]] = {}
        self._resources: list[Releasable] = []

    @property
    def is_claimed(self) -> bool:
        """Whether a thread has claimed the packet to answer it."""
        return self.state >= ANSWERING

    @property
    def is_repeatable(self) -> bool:
        """Whether the packet has no reply yet, and its operation changes nothing."""
        return not (self.is_claimed or self.operation is None or self.operation.is_write)

    def advance(self, source: PacketState, target: PacketState) -> bool:
        """Moves from one state to another.

        Returns False if the packet is in another state than ``source``, or if another thread is
        faster. Raises IllegalTransitionError if no packet ever moves so.
        """
        if target not in TRANSITIONS[source]:
            raise IllegalTransitionError(f"{source.name} -> {target.name}")
        if self.state is not source:
            return False
        # Each state is left once, and ``dict.setdefault`` is atomic: the thread whose tuple is
        # stored has won. A lock would be worse, because an interrupt could leave it locked.
        successor = (target,)
        if self._successors.setdefault(source, successor) is not successor:
            return False
        self.state = target
        return True

    def start_deciding(self) -> bool:
        """Enters the backend call. Returns False if another thread has claimed the packet."""
        return self.advance(RECEIVED, DECIDING)

    def claim(self, decision: Decision) -> PacketState | None:
        """Claims the packet to answer it with this decision.

        Returns the state that the packet was in, or None if another thread has claimed it.
        """
        while (state := self.state) < ANSWERING:
            if self.advance(state, ANSWERING):
                self.decision = decision
                return state
        return None

    def finish(self) -> bool:
        """Ends the packet after its reply. Returns whether this thread reads the next packet."""
        return self.advance(WRITTEN, DONE)

    def claim_from(self, worker: threading.Thread | None, decision: Decision) -> bool:
        """Claims the packet from outside and interrupts ``worker`` if it is in the backend call.

        Returns False if another thread has claimed the packet.
        """
        state = self.claim(decision)
        if state is None:
            return False
        if state is DECIDING and worker is not None:
            with contextlib.suppress(MemoryError):
                interrupt(worker)
        self._is_interrupt_sent = True
        return True

    def wait_for_interrupt(self) -> None:
        """Ends the backend call of a worker that has lost the packet.

        Raises ThreadInterruptedError here, or not at all: no interrupt arrives later.
        """
        while not self._is_interrupt_sent:
            time.sleep(0.001)
        clear_interrupt()

    def recover(self, decision: Decision) -> bool:
        """Prepares a packet whose worker has ended. Returns whether a reply has to be written.

        ``decision`` replaces the old one unless the reply is encoded: its bytes may be out.
        """
        if self.claim(decision) is None and self.reply is None:
            self.decision = decision
        return self.state is ANSWERING

    def make_outcome(self) -> Outcome:
        """Raises IllegalTransitionError if the packet is not claimed."""
        if self.decision is None:
            raise IllegalTransitionError("the packet has no decision")
        return Outcome(
            self.request_id,
            self.size,
            self.operation,
            self.command,
            self.decision,
            self.dialect,
            time.monotonic() - self.started,
            self.is_queued,
        )

    def queued_until(self, seconds: float) -> float:
        """The end of the time in which the next packet counts as queued. ``seconds`` is the time to
        the reply of this one."""
        return self.started + seconds + min(QUEUED_SECONDS, seconds * QUEUED_SHARE)

    def use(self, resource: Releasable) -> None:
        """Keeps a resource until ``release``."""
        self._resources.append(resource)

    def release(self) -> None:
        """Releases each resource once, also if several threads call this."""
        while self._resources:
            try:
                resource = self._resources.pop()
            except IndexError:  # another thread is faster
                return
            resource.release()
