"""What is answered: yes, no, or that nobody could tell."""

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """The three things that can be true after a service was asked."""

    ALLOW = "allow"
    """The service said yes, in so many words."""

    DENY = "deny"
    """The service said no, in so many words, or the request itself can never be a yes."""

    UNDECIDED = "undecided"
    """Anything else. Nobody gets in, and nobody is told a lie."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A verdict and why.

    ``reason`` is a stable word to count and to alert on (``docs/operations.md`` lists them);
    ``detail`` is a sentence for a person. Neither ever holds a credential.
    """

    verdict: Verdict
    reason: str
    detail: str = ""


class UndecidedError(Exception):
    """Raised by a backend that cannot tell: the answer is UNDECIDED with this reason."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail
