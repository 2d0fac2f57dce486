"""One service at several URLs: they are tried in order until one of them answers.

What is remembered is which URL did not answer, never what one answered.
"""

import time
from dataclasses import replace

from extauth_http.config.endpoint import Endpoint, Origin
from extauth_http.http.failure import RequestFailedError, Step
from extauth_http.http.pool import RequestSender
from extauth_http.http.request import Request
from extauth_http.http.response import Response

FAILED_SECONDS = 5.0
"""How long a URL that did not answer is tried last."""


class StandbyOrder:
    """Which URL to try first. Safe to use from several threads."""

    def __init__(self) -> None:
        self._failed_until: dict[Origin, float] = {}

    def sorted(self, endpoint: Endpoint) -> list[Endpoint]:
        """The endpoint and its standby: those that did not answer a moment ago come last."""
        now = time.monotonic()
        return sorted(
            (endpoint, *endpoint.standby),
            key=lambda each: self._failed_until.get(each.origin, 0.0) > now,
        )

    def send(
        self, request: Request, due: float, sender: RequestSender, *, may_repeat: bool
    ) -> tuple[Response, Endpoint]:
        """The response, and the endpoint that sent it.

        The next endpoint is tried if nothing can have reached the last one, or if the connection
        was lost and ``may_repeat`` is true. Each attempt but the last has an equal share of the
        time until ``due`` to connect: a URL that does not react leaves time for the others. Raises
        RequestFailedError.
        """
        endpoints = self.sorted(request.endpoint)
        details: list[str] = []
        for number, endpoint in enumerate(endpoints):
            left = len(endpoints) - number
            try:
                attempt = _attempt(request, endpoint, due, left)
                response = sender.send(attempt, due, may_repeat=may_repeat)
            except RequestFailedError as error:
                is_lost = may_repeat and error.reason == "connection_lost"
                if error.step is not Step.CONNECT and not is_lost:
                    raise
                self._failed_until[endpoint.origin] = time.monotonic() + FAILED_SECONDS
                details.append(error.detail)
                if left == 1:
                    failed = RequestFailedError(error.reason, "; ".join(details), error.step)
                    failed.status = error.status
                    raise failed from None
            else:
                self._failed_until.pop(endpoint.origin, None)
                return response, endpoint
        raise AssertionError("unreachable: there is at least one endpoint")


def _attempt(request: Request, endpoint: Endpoint, due: float, left: int) -> Request:
    now = time.monotonic()
    return replace(
        request,
        endpoint=endpoint,
        headers=[(b"Host", endpoint.host_header), *request.headers[1:]],
        connect_due=due if left == 1 else now + (due - now) / left,
    )
