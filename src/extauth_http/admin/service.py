"""Asks the service of the configuration directly: not through ejabberd, which may overrule it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from extauth_http.backends.registry import BUILT_IN, load
from extauth_http.config.loader import ConfigError, config_file
from extauth_http.program.decider import Decider
from extauth_http.program.outcome import Decision
from extauth_http.protocol.command import Command, Operation
from extauth_http.protocol.jid import Jid
from extauth_http.protocol.verdict import Answer, Verdict

NOT_ASKED = frozenset({"unsupported", "switched_off", "unknown_host", "unsafe_name"})
"""Reasons of a no for which no service was asked. Such a no says nothing about a user."""


class Existence(Enum):
    """Whether the service has a user. ``NOT_ASKED``: the configuration asks no service."""

    EXISTS = "exists"
    REMOVED = "removed"
    UNKNOWN = "unknown"
    NOT_ASKED = "not asked"


@dataclass(frozen=True, slots=True)
class ExistenceAnswer:
    """An existence, and the reason of the verdict for people."""

    existence: Existence
    why: str


@contextmanager
def open_decider(config: Path | None) -> Iterator[Decider]:
    """The backends of the configuration of ``--config``. Raises ConfigError."""
    settings = load(config_file(config))
    try:
        decider = Decider(settings)
    except Exception as error:  # noqa: BLE001 - the backend of a plugin may raise anything
        raise ConfigError([f"the backend cannot be used: {type(error).__name__}"]) from None
    try:
        yield decider
    finally:
        decider.close()


def decide(decider: Decider, command: Command, request_id: str) -> Decision:
    """The decision of the backend about one command, within its deadline."""
    return decider.decide(command, time.monotonic() + decider.deadline, request_id)


def existence(decider: Decider, jid: Jid, request_id: str) -> ExistenceAnswer:
    """Sends ``isuser`` to the backend. Only an explicit no of a service is REMOVED."""
    decision = decide(decider, Command(Operation.ISUSER, jid.user, jid.host), request_id)
    return ExistenceAnswer(_existence(decision), explain(decision.answer))


def _existence(decision: Decision) -> Existence:
    if decision.answer.verdict is Verdict.UNDECIDED:
        return Existence.UNKNOWN
    # A built-in kind without an HTTP status has a fixed answer (isuser = "allow").
    is_built_in = decision.backend is None or decision.backend in BUILT_IN
    is_fixed = decision.status is None and is_built_in
    if is_fixed or decision.answer.reason in NOT_ASKED:
        return Existence.NOT_ASKED
    is_there = decision.answer.verdict is Verdict.ALLOW
    return Existence.EXISTS if is_there else Existence.REMOVED


def explain(answer: Answer) -> str:
    """The reason and the detail of an answer."""
    return " ".join(filter(None, (answer.reason, answer.detail and f"({answer.detail})")))
