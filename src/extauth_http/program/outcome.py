"""The decision of a packet and its outcome."""

from dataclasses import dataclass
from typing import Protocol

from extauth_http.protocol.command import Command, Operation
from extauth_http.protocol.replies import Dialect, reply
from extauth_http.protocol.verdict import Answer, Verdict
from extauth_http.terminal.masking import MASK


@dataclass(frozen=True, slots=True)
class Decision:
    """An answer and its origin.

    ``backend`` is the kind of backend. ``status`` is the last HTTP status of the service.
    ``service`` is the URL that answered, without its path, if there are several. ``link`` is the
    number of the table of a chain that decided. ``notes`` say which rules decided; they are empty
    unless a Decider explains.
    """

    answer: Answer
    backend: str | None = None
    status: int | None = None
    service: str | None = None
    link: int | None = None
    notes: tuple[str, ...] = ()


def internal_error(backend: str | None, error: str) -> Decision:
    """The decision after an unexpected exception; ``error`` is its name."""
    return Decision(Answer(Verdict.UNDECIDED, "internal_error", error), backend)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One packet and its decision.

    ``command`` is None for a malformed packet. ``operation`` is None too if the packet does not
    name an operation. ``size`` is in bytes, ``seconds`` is the time from packet to reply.
    ``is_queued`` says whether the packet has probably waited in ejabberd for the last reply.
    """

    request_id: str
    size: int
    operation: Operation | None
    command: Command | None
    decision: Decision
    dialect: Dialect
    seconds: float
    is_queued: bool = False


class DeciderLike(Protocol):
    """Decides commands. ``deadline`` is in seconds. ``release`` is called once after each use."""

    @property
    def deadline(self) -> float: ...
    @property
    def dialect(self) -> Dialect: ...
    def decide(self, command: Command, due: float, request_id: str) -> Decision: ...
    def kind(self, host: str) -> str | None: ...
    def release(self) -> None: ...


def masked_command(outcome: Outcome) -> str:
    """Formats the command of an outcome for people, with the password masked."""
    command = outcome.command
    if command is None:
        operation = outcome.operation.value if outcome.operation else "unknown operation"
        return f"malformed packet: {outcome.size} bytes, {operation}"
    name = f"{command.operation.value}:{command.user}:{command.host}"
    return f"{name}:{MASK}" if command.operation.has_credential else name


def encode(outcome: Outcome) -> bytes:
    """The 4 bytes of the reply to a packet."""
    return reply(outcome.decision.answer.verdict, outcome.operation, outcome.dialect)
