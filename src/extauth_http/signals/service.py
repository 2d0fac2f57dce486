"""The service: its listener, its worker and the keys of its issuers, from start to SIGTERM."""

import asyncio
import json
import logging
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from extauth_http.backends.jwk_set import KeysError
from extauth_http.backends.registry import load
from extauth_http.config.ejabberd import EjabberdSettings
from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.program.log import Log
from extauth_http.program.streams import quiet_streams
from extauth_http.service.notify import notify
from extauth_http.signals.application import Application
from extauth_http.signals.committer import Committer
from extauth_http.signals.event_attempt import AttemptRunner
from extauth_http.signals.issuer_keys import IssuerKeys
from extauth_http.signals.issuer_settings import IssuerSettings
from extauth_http.signals.jwks_download import download_jwks
from extauth_http.signals.log_limit import LogLimit
from extauth_http.signals.metrics import Metrics
from extauth_http.signals.queue import Queue, QueueError
from extauth_http.signals.receiver import Receiver
from extauth_http.signals.resolver import Resolver
from extauth_http.signals.self_test_keys import TEST_AUDIENCE, TEST_ISSUER
from extauth_http.signals.settings import SignalsSettings, load_signals
from extauth_http.signals.sweep_thread import SweepThread
from extauth_http.signals.tokens import TrustedIssuer
from extauth_http.signals.worker import Worker

MAX_CONNECTIONS = 512
"""Connections at the same time; more are answered with 503."""

BACKLOG = 1024
KEEP_ALIVE = 15  # seconds
STOP_SECONDS = 10  # for the requests that have arrived
REFRESH_PAUSE = 30.0
"""Seconds between two looks at the age of the issuers' keys."""


class SignalsError(Exception):
    """The service cannot start. The message is one sentence, without secrets."""


def serve(config: Path | None) -> None:
    """Receives and completes events until SIGTERM or SIGINT. Raises SignalsError, ConfigError."""
    settings, ejabberd = load_signals(config)
    if settings.sweep:
        load(config)  # a configuration without a usable backend is reported at the start
    quiet_streams()
    log = Log()
    log.configure(settings.log)
    for warning in (*settings.warnings(), *ejabberd.warnings()):
        log.event("warning", "config_warning", detail=warning)
    listening = _bind(settings)
    try:
        service = Service(settings, ejabberd, log, config)
    except (QueueError, ValueError, KeysError) as error:
        listening.close()
        raise SignalsError(str(error)) from None
    _log_http_server(log)
    server = uvicorn.Server(
        uvicorn.Config(
            service.asgi(),
            http="httptools",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=MAX_CONNECTIONS,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
    )
    # For the time before uvicorn has its own handlers, and after: it raises the signal again.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: setattr(server, "should_exit", True))
    with listening:
        server.run(sockets=[listening])


class Service:
    """Everything that runs. Raises QueueError, KeysError, and ValueError for a TLS file."""

    def __init__(
        self,
        settings: SignalsSettings,
        ejabberd: EjabberdSettings,
        log: Log,
        config: Path | None = None,
    ) -> None:
        self._log = log
        self._settings = settings
        self._queue = Queue(settings.queue)
        self._issuers = {each.issuer: self._trusted(each) for each in settings.issuer}
        self._resolvers = {each.issuer: Resolver(each) for each in settings.issuer if each.resolve}
        self._metrics = Metrics()
        runner = AttemptRunner(settings, self._resolvers, log)
        make_api = partial(ApiClient, ejabberd)
        self._worker = Worker(self._queue, runner, make_api, settings, self._metrics, log)
        self._sweep: SweepThread | None = None
        if settings.sweep:
            self._sweep = SweepThread(settings.sweep, config, make_api, self._metrics, log)

    def asgi(self) -> Starlette:
        """The application, which starts and stops everything else."""
        committer = Committer(self._queue, self._worker.wake)
        application = Application(
            Receiver(self._issuers, self._test_issuer),
            committer,
            self._queue,
            self._settings.webhook,
            self._metrics,
            self._log,
            self._worker.is_working,
            LogLimit(),
        )

        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            async with AsyncExitStack() as stack:
                self._worker.start()
                if self._sweep:
                    self._sweep.start()
                refreshing = asyncio.create_task(self._refresh_keys())
                stack.push_async_callback(self._stop, committer, refreshing)
                self._log.event("info", "signals_started")
                notify("READY=1")
                yield
                notify("STOPPING=1")

        return application.asgi(lifespan)

    async def _stop(self, committer: Committer, refreshing: "asyncio.Task[None]") -> None:
        refreshing.cancel()
        with suppress(asyncio.CancelledError):
            await refreshing
        if self._sweep:
            await asyncio.to_thread(self._sweep.stop)
        await asyncio.to_thread(self._worker.stop)
        committer.close()
        for resolver in self._resolvers.values():
            resolver.close()
        self._queue.close()
        self._log.event("info", "signals_stopped")

    async def _refresh_keys(self) -> None:
        """Keeps the keys fresh, so that a token does not wait for their retrieval."""
        while True:
            async with asyncio.TaskGroup() as group:
                for issuer in self._issuers.values():
                    group.create_task(issuer.keys.refresh_if_old())
            await asyncio.sleep(REFRESH_PAUSE)

    def _trusted(self, settings: IssuerSettings) -> TrustedIssuer:
        name = settings.issuer

        def failed(detail: str) -> None:
            self._log.event("warning", "keys_not_retrieved", issuer=name, detail=detail)

        keys = IssuerKeys(
            partial(download_jwks, settings),
            partial(self._queue.save_issuer_keys, name),
            self._queue.issuer_keys(name),
            failed,
        )
        return TrustedIssuer(settings, keys)

    def _test_issuer(self) -> TrustedIssuer | None:
        """The issuer of ``signals test``, while its keys are in the queue."""
        now = time.time()
        jwks = self._queue.test_key(TEST_ISSUER, now)
        if jwks is None:
            return None
        settings = IssuerSettings(
            issuer=TEST_ISSUER, audience=TEST_AUDIENCE, claim="sub", host=json.loads(jwks)["host"]
        )
        return TrustedIssuer(settings, IssuerKeys(lambda: jwks, saved=(jwks, now)))


def _bind(settings: SignalsSettings) -> socket.socket:
    host, port = settings.listen
    try:
        family = socket.getaddrinfo(host, port)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise SignalsError(f"signals.listen: {host}:{port}: {error.strerror}") from None


class _HttpServerLog(logging.Handler):
    """Passes warnings of uvicorn on, without tracebacks: those can show data of a request."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log
        self._limit = LogLimit()

    def emit(self, record: logging.LogRecord) -> None:
        if self._limit.allows():
            detail = record.getMessage().partition("\n")[0][:200]
            self._log.event("warning", "listener_warning", detail=detail)


def _log_http_server(log: Log) -> None:
    for name in ("uvicorn", "uvicorn.error", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers = [_HttpServerLog(log)]
        logger.propagate = False
