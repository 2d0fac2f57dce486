"""Why a request has no usable response, and how far it got."""

import sys
from enum import Enum

from extauth_http.protocol.verdict import UndecidedError


class Step(Enum):
    """The step in which a request failed."""

    PREPARE = "prepare"
    """The request cannot be written as HTTP/1.1. Nothing was sent."""

    CONNECT = "connect"
    """Name lookup, proxy, TCP or TLS. The service received nothing of the request."""

    SEND = "send"
    """A part of the request was sent. The service may have received all of it."""

    RECEIVE = "receive"
    """The request was sent. The service may have executed it."""


class RequestFailedError(UndecidedError):
    """A request without a usable response.

    ``status`` is the HTTP status, if one was received. ``reason`` is one of ``bad_http``,
    ``bad_request``, ``connect_failed``, ``connect_refused``, ``connection_lost``,
    ``content_encoding``, ``deadline``, ``name_not_found``, ``proxy``, ``tls``, ``too_large`` and
    ``wrong_answer``. ``detail`` never holds a part of the request or of the response.
    """

    def __init__(self, reason: str, detail: str, step: Step) -> None:
        super().__init__(reason, detail)
        self.step = step
        self.status: int | None = None

    @property
    def may_have_arrived(self) -> bool:
        """Whether the service may have received the request, and so may have executed it."""
        return self.step in (Step.SEND, Step.RECEIVE)


def failure_of(error: BaseException) -> RequestFailedError | None:
    """The reason and step of an httpx error that a PoolTransport raised; None for other errors."""
    cause = error.__cause__
    return cause if isinstance(cause, RequestFailedError) else None


def undecided_of(error: BaseException) -> UndecidedError | None:
    """What an httpx error means for a verdict; None for errors that have another source.

    The error is one that a PoolTransport raised, or that ``raise_for_status`` raised.
    """
    if "httpx" in sys.modules:  # Only a plugin imports it: it would double the time of the start.
        import httpx

        if isinstance(error, httpx.HTTPStatusError):
            status = error.response.status_code
            return UndecidedError(f"http_{status}", f"the service answered with status {status}")
    return failure_of(error)
