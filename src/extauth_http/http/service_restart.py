"""Waits for a service that restarts.

While a service restarts, nothing listens at its address for a moment, and every login in this
moment would be refused. A request that nobody received is tried again, so a write can wait too.
Only a service that was there a moment ago is waited for, so one that is down costs no time. What is
remembered is that a service was there, never what it answered.
"""

import time

from extauth_http.config.endpoint import Origin
from extauth_http.http.failure import RequestFailedError
from extauth_http.http.pool import RequestSender
from extauth_http.http.request import Request
from extauth_http.http.response import Response

RESTART_SECONDS = 3.0
"""How long requests wait for a service, from the first one that found nobody. A single request
waits for half of its remaining time at most."""

RETRY_SECONDS = 0.05


class ServiceRestarts:
    """Until when the service at each origin can be restarting. Safe to use from several threads."""

    def __init__(self) -> None:
        self._ends_at: dict[Origin, float] = {}
        """An origin without an entry has never been there; infinity means that it is there."""

    def send(
        self, request: Request, due: float, sender: RequestSender, *, may_repeat: bool
    ) -> Response:
        """The response to a request, as RequestSender describes it."""
        origin = request.endpoint.origin
        now = time.monotonic()
        latest = now + (due - now) / 2
        while True:
            try:
                response = sender.send(request, due, may_repeat=may_repeat)
            except RequestFailedError as error:
                if error.may_have_arrived:
                    self._ends_at[origin] = float("inf")
                if error.reason != "connect_refused" or not self._may_wait(origin, latest):
                    raise
            else:
                self._ends_at[origin] = float("inf")
                return response
            time.sleep(RETRY_SECONDS)

    def _may_wait(self, origin: Origin, latest: float) -> bool:
        """Whether a request that found nobody is tried again; ``latest`` is its own limit."""
        next_attempt = time.monotonic() + RETRY_SECONDS
        ends_at = self._ends_at.get(origin, 0.0)
        if ends_at == float("inf"):
            ends_at = self._ends_at[origin] = next_attempt + RESTART_SECONDS
        return next_attempt < min(ends_at, latest)
