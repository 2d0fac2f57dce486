"""Verdicts, and the answers of a backend."""

from dataclasses import dataclass, field
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
class Mismatch:
    """What a service named, and what the configuration expects in its place.

    ``subject`` is a word for both, such as ``owner`` or ``issuer``. ``found`` is a value of the
    response, None if it is missing. It may be anything, so it is not written to the log.
    """

    subject: str
    expected: str
    found: object = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """A verdict and its reason.

    ``reason`` is a stable word for statistics and alerts (``docs/operations.md`` lists them).
    ``detail`` is text for people. Neither may hold a credential. ``mismatch`` is for ``check``
    alone.
    """

    verdict: Verdict
    reason: str
    detail: str = ""
    mismatch: Mismatch | None = None


class UndecidedError(Exception):
    """Raised by a backend that cannot decide. The answer is UNDECIDED with this reason."""

    def __init__(self, reason: str, detail: str = "", mismatch: Mismatch | None = None) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail
        self.mismatch = mismatch
