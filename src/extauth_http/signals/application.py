"""The ASGI application: three endpoints for senders, ``/healthz`` and ``/metrics``."""

import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from extauth_http.program.log import Log
from extauth_http.signals import requests
from extauth_http.signals.committer import Committer
from extauth_http.signals.events import Source
from extauth_http.signals.log_limit import LogLimit
from extauth_http.signals.metrics import Metrics
from extauth_http.signals.queue import Queue, QueueError
from extauth_http.signals.receiver import Message, Receiver
from extauth_http.signals.rejection import Reason, RejectedError
from extauth_http.signals.settings import WebhookSettings

RETRY_AFTER = "5"  # seconds
NO_STORE = {"Cache-Control": "no-store"}
STATUS = {
    Reason.OVERSIZED: 413,
    Reason.SLOW: 408,
    Reason.WRONG_BEARER: 401,
    Reason.INTERNAL_ERROR: 500,
    Reason.KEYS_UNAVAILABLE: 503,
    Reason.QUEUE_UNAVAILABLE: 503,
}
"""Any other reason is 400: sending the message again would change nothing."""

SET_ERRORS = {
    Reason.UNKNOWN_ISSUER: "invalid_issuer",
    Reason.AUDIENCE: "invalid_audience",
    Reason.SIGNATURE: "invalid_key",
    Reason.UNKNOWN_KEY: "invalid_key",
    Reason.ALGORITHM: "invalid_key",
}
"""``err`` of RFC 8935 section 2.4; ``invalid_request`` for any other reason."""

Handle = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Application:
    """What the endpoints use. ``is_working`` says whether the worker does its work."""

    receiver: Receiver
    committer: Committer
    queue: Queue
    webhook: WebhookSettings | None
    metrics: Metrics
    log: Log
    is_working: Callable[[], bool]
    limit: LogLimit

    def asgi(self, lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]]) -> Starlette:
        """The application. ``lifespan`` runs around its life, as Starlette expects it."""
        return Starlette(
            lifespan=lifespan,
            routes=[
                self._route(
                    "/backchannel-logout", Source.LOGOUT_TOKEN, self._logout, _logout_error
                ),
                self._route("/events", Source.SECURITY_EVENT, self._event, _event_error),
                self._route("/revoke", Source.WEBHOOK, self._revoke, _webhook_error),
                Route("/healthz", self._healthz),
                Route("/metrics", self._metrics_text),
            ],
        )

    def _route(
        self, path: str, source: Source, handle: Handle, error: Callable[[RejectedError], Response]
    ) -> Route:
        async def endpoint(request: Request) -> Response:
            self.metrics.received.labels(source.value).inc()
            try:
                return await handle(request)
            except RejectedError as rejected:
                found = rejected
            except QueueError as failed:
                self.log.event("error", "queue_unavailable", detail=str(failed))
                found = RejectedError(Reason.QUEUE_UNAVAILABLE, "the event cannot be stored now")
            except Exception as failed:  # noqa: BLE001 - its text may hold a part of the message
                self.log.event("error", "signals_error", detail=type(failed).__name__)
                found = RejectedError(Reason.INTERNAL_ERROR, "internal error")
            self._reject(source, found)
            return error(found)

        return Route(path, endpoint, methods=["POST"])

    async def _logout(self, request: Request) -> Response:
        requests.require_type(request, requests.FORM)
        token = requests.logout_token_of(await requests.read_body(request))
        message = await self.receiver.logout(token)
        is_new = await self._store(Source.LOGOUT_TOKEN, message)
        if message.arrivals and not is_new:
            raise RejectedError(Reason.REPLAYED, "a token with this jti was received before")
        return Response(status_code=200, headers=NO_STORE)

    async def _event(self, request: Request) -> Response:
        requests.require_type(request, requests.SET_TYPE)
        token = requests.security_event_of(await requests.read_body(request))
        message = await self.receiver.security_event(token)
        # A transmitter that missed the response sends the token again: it is the same event.
        await self._store(Source.SECURITY_EVENT, message)
        return Response(status_code=202, headers=NO_STORE)

    async def _revoke(self, request: Request) -> Response:
        if self.webhook is None:
            raise RejectedError(Reason.WRONG_BEARER, "there is no [signals.webhook] table")
        requests.check_bearer(request, self.webhook.token.get_secret_value())
        body = await requests.read_body(request)
        message = self.receiver.webhook(requests.revoke_request_of(body))
        await self._store(Source.WEBHOOK, message)
        return JSONResponse({"id": message.identity}, 202, NO_STORE)

    async def _store(self, source: Source, message: Message) -> bool:
        """Whether the message is new. Raises QueueError."""
        self.metrics.verified.labels(source.value).inc()
        if not message.arrivals:
            self.metrics.ignored.labels(source.value).inc()
            self.log.event(
                "info",
                "signal_ignored",
                source=source.value,
                sender=message.sender,
                identity=message.identity,
                detail=message.note,
            )
            return True
        added = await self.committer.add(message.arrivals)
        for arrival, is_new in zip(message.arrivals, added, strict=True):
            event = arrival.event
            if is_new:
                self.metrics.queued.labels(source.value).inc()
            self.log.event(
                "info",
                "signal_queued" if is_new else "signal_repeated",
                id=event.id if is_new else None,
                source=source.value,
                sender=message.sender,
                identity=message.identity,
                subject=str(event.subject),
                reason=event.reason,
            )
        return any(added)

    def _reject(self, source: Source, error: RejectedError) -> None:
        self.metrics.rejected.labels(source.value, error.reason.value).inc()
        if self.limit.allows():
            self.log.event(
                "warning",
                "signal_rejected",
                source=source.value,
                reason=error.reason.value,
                detail=error.detail,
                suppressed=self.limit.take_suppressed(),
            )

    async def _healthz(self, _: Request) -> Response:
        try:
            await run_in_threadpool(self.queue.summary, 0.0)
            problem = "" if self.is_working() else "the worker does not run"
        except QueueError as error:
            problem = f"queue: {error}"
        return PlainTextResponse(problem or "ok", 503 if problem else 200, NO_STORE)

    async def _metrics_text(self, _: Request) -> Response:
        try:
            summary = await run_in_threadpool(self.queue.summary, time.time())
        except QueueError as error:
            return PlainTextResponse(f"queue: {error}", 503)
        return Response(self.metrics.text(summary), media_type="text/plain; version=0.0.4")


def _headers(error: RejectedError) -> dict[str, str]:
    more = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": RETRY_AFTER}}
    return {**NO_STORE, **more.get(STATUS.get(error.reason, 400), {})}


def _logout_error(error: RejectedError) -> Response:
    """OpenID Connect Back-Channel Logout 1.0 section 2.8."""
    content = {"error": "invalid_request", "error_description": error.detail}
    return JSONResponse(content, STATUS.get(error.reason, 400), _headers(error))


def _event_error(error: RejectedError) -> Response:
    """RFC 8935 section 2.3."""
    content = {
        "err": SET_ERRORS.get(error.reason, "invalid_request"),
        "description": error.detail,
    }
    headers = {**_headers(error), "Content-Language": "en"}
    return JSONResponse(content, STATUS.get(error.reason, 400), headers)


def _webhook_error(error: RejectedError) -> Response:
    content = {"error": error.reason.value, "detail": error.detail}
    return JSONResponse(content, STATUS.get(error.reason, 400), _headers(error))
