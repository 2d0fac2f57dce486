"""Verdicts, and the answers of a backend."""

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """The three results of a command."""

    ALLOW = "allow"
    """An explicit yes of the service."""

    DENY = "deny"
    """An explicit no of the service, or a command that no service could allow."""

    UNDECIDED = "undecided"
    """Everything else. The user cannot log in, and ejabberd reports a failure where it can."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A verdict and its reason.

    ``reason`` is a stable word for statistics and alerts (``docs/operations.md`` lists them).
    ``detail`` is text for people. Neither may hold a credential.
    """

    verdict: Verdict
    reason: str
    detail: str = ""


class UndecidedError(Exception):
    """Raised by a backend that cannot decide. The answer is UNDECIDED with this reason."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail
