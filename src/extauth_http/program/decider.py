"""Decides a command with the backend of its virtual host.

Only an explicit yes or no of the backend counts. Everything else is UNDECIDED.
"""

import contextlib
import threading
from collections.abc import Callable, Collection
from dataclasses import replace

from extauth_http.backends.base import Backend
from extauth_http.backends.registry import backend_class
from extauth_http.config.backend import BackendSettings
from extauth_http.config.settings import Settings
from extauth_http.http.breaker import BreakerState
from extauth_http.http.client import HttpClient, HttpClientFactory
from extauth_http.http.failure import undecided_of
from extauth_http.http.pool import ConnectionPool, PoolFactory
from extauth_http.program.outcome import Decision
from extauth_http.program.threads import run_in_background
from extauth_http.protocol.command import Command, Operation
from extauth_http.protocol.preparation import unescape_user
from extauth_http.protocol.replies import Dialect
from extauth_http.protocol.verdict import Answer, UndecidedError, Verdict


class Decider:
    """The backends of one configuration. Safe to use from several threads.

    ``deadline`` is in seconds. ``pool`` creates the connection pool of a backend. With
    ``explains``, a decision has notes about the rules that decided. ``on_breaker`` is called with
    the kind of a backend when its circuit breaker opens or closes.
    """

    def __init__(
        self,
        settings: Settings,
        pool: PoolFactory = ConnectionPool.of_backend,
        *,
        explains: bool = False,
        on_breaker: Callable[[str, BreakerState], None] = lambda *_: None,
    ) -> None:
        self.deadline = settings.deadline
        self.dialect = settings.dialect
        self._lock = threading.Lock()
        self._uses = 0
        self._is_retired = False
        self._default = (
            _HostBackend(settings.backend, pool, explains, on_breaker) if settings.backend else None
        )
        self._hosts = {
            host: _HostBackend(own.backend, pool, explains, on_breaker)
            for host, own in settings.hosts.items()
            if own.backend
        }

    def decide(self, command: Command, due: float, request_id: str) -> Decision:
        """Decides a command. ``due`` is the time of ``time.monotonic()`` of its deadline."""
        backend = self._hosts.get(command.host, self._default)
        if backend is None:
            return Decision(
                Answer(Verdict.DENY, "unknown_host", "no [backend] and no [hosts] entry for it")
            )
        if command.operation.has_credential and not command.password:
            return Decision(Answer(Verdict.DENY, "empty_password"), backend.kind)
        http = backend.http.for_command(command, due, request_id)
        if backend.unescapes:
            command = replace(command, user=unescape_user(command.user))
            if command.user != command.user.strip(" "):
                # XEP-0106 section 4.2 forbids it, so it is nobody's name.
                detail = "the name begins or ends with an escaped space"
                return Decision(Answer(Verdict.DENY, "unsafe_name", detail), backend.kind)
        answer = _call(backend.instance, command, http)
        return Decision(answer, http.kind, http.status, http.service, http.link, http.notes)

    @property
    def hosts(self) -> Collection[str]:
        """The virtual hosts that have a backend of their own."""
        return self._hosts.keys()

    def kind(self, host: str) -> str | None:
        """Returns the kind of backend of a virtual host, or None if it has none."""
        backend = self._hosts.get(host, self._default)
        return backend.kind if backend else None

    def acquire(self) -> bool:
        """Counts a use, which ``release`` ends. Returns False after ``retire``: do not use it."""
        with self._lock:
            if not self._is_retired:
                self._uses += 1
            return not self._is_retired

    def release(self) -> None:
        """Ends a use."""
        with self._lock:
            self._uses -= 1
            is_unused = self._is_retired and not self._uses
        if is_unused:
            run_in_background(self.close, "close")

    def retire(self) -> None:
        """Closes the backends after their last use, in a thread of its own: it may hang."""
        with self._lock:
            self._is_retired = True
            is_unused = not self._uses
        if is_unused:
            run_in_background(self.close, "close")

    def close(self) -> None:
        """Closes the backends and the connections that are not in use. Never raises."""
        for backend in (self._default, *self._hosts.values()):
            if backend:
                backend.http.close()
                with contextlib.suppress(Exception, SystemExit, KeyboardInterrupt):
                    backend.instance.close()


class UnconfiguredDecider:
    """Decides every command as UNDECIDED, while there is no usable configuration."""

    deadline = 8.0
    hosts: Collection[str] = ()

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect

    def decide(self, command: Command, due: float, request_id: str) -> Decision:
        return Decision(Answer(Verdict.UNDECIDED, "config", "the configuration cannot be used"))

    def kind(self, host: str) -> str | None:
        return None

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass

    def retire(self) -> None:
        pass

    def close(self) -> None:
        pass


class _HostBackend:
    """The backend of one or more virtual hosts and its HTTP client."""

    def __init__(
        self,
        settings: BackendSettings,
        pool: PoolFactory,
        explains: bool,
        on_breaker: Callable[[str, BreakerState], None],
    ) -> None:
        self.kind = settings.kind
        self.unescapes = settings.jid_unescape
        self.http = HttpClientFactory(settings, pool, explains=explains, on_breaker=on_breaker)
        self.instance: Backend = backend_class(settings.kind)(settings)


def _call(backend: Backend, command: Command, http: HttpClient) -> Answer:
    """Calls the backend's method for an operation.

    Keeps only the type and place of an exception, because its text may quote the password.
    """
    try:
        result = _METHODS[command.operation](backend)(command, http)
    except UndecidedError as undecided:
        result = Answer(Verdict.UNDECIDED, undecided.reason, undecided.detail, undecided.mismatch)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - a backend may raise anything
        failure = undecided_of(error)
        if failure is None:
            return Answer(Verdict.UNDECIDED, "backend_error", _place(error))
        return Answer(Verdict.UNDECIDED, failure.reason, failure.detail)
    except SystemExit:
        return Answer(Verdict.UNDECIDED, "backend_exit", "the backend called sys.exit")
    if isinstance(result, Verdict):
        return Answer(result, _REASONS[result])
    if isinstance(result, Answer) and _is_valid(result):
        return result
    detail = f"the backend returned {type(result).__name__}"
    return Answer(Verdict.UNDECIDED, "not_a_verdict", detail)


def _is_valid(answer: Answer) -> bool:
    """Returns whether the fields of an answer have their types. A plugin may be unchecked."""
    texts: tuple[object, ...] = (answer.reason, answer.detail)
    return isinstance(answer.verdict, Verdict) and all(isinstance(text, str) for text in texts)


_METHODS = {
    Operation.AUTH: lambda backend: backend.auth,
    Operation.ISUSER: lambda backend: backend.isuser,
    Operation.SETPASS: lambda backend: backend.setpass,
    Operation.TRYREGISTER: lambda backend: backend.tryregister,
    Operation.REMOVEUSER: lambda backend: backend.removeuser,
    Operation.REMOVEUSER3: lambda backend: backend.removeuser3,
    Operation.CERTAUTH: lambda backend: backend.certauth,
}

_REASONS = {
    Verdict.ALLOW: "allowed",
    Verdict.DENY: "denied",
    Verdict.UNDECIDED: "undecided",
}


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    where = f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
    return f"{type(error).__name__}{where}"
