"""A command → an answer, by the backend of its virtual host. Never raises, never guesses."""

import contextlib
import threading
from collections.abc import Collection
from dataclasses import replace

from extauth_http.backends.base import Backend
from extauth_http.backends.registry import backend_class
from extauth_http.config.backend import BackendSettings
from extauth_http.config.settings import Settings
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
    """The backends of one configuration.

    ``deadline`` is in seconds; ``pool`` makes the connection pool of a backend. Safe to use from
    several threads.
    """

    def __init__(self, settings: Settings, pool: PoolFactory = ConnectionPool.of_backend) -> None:
        self.deadline = settings.deadline
        self.dialect = settings.dialect
        self._lock = threading.Lock()
        self._uses = 0
        self._is_retired = False
        self._default = _Asked(settings.backend, pool) if settings.backend else None
        self._hosts = {
            host: _Asked(own.backend, pool) for host, own in settings.hosts.items() if own.backend
        }

    def decide(self, command: Command, due: float, request_id: str) -> Decision:
        """The answer to a command; ``due`` is the ``time.monotonic()`` at which it is late."""
        asked = self._hosts.get(command.host, self._default)
        if asked is None:
            return Decision(
                Answer(Verdict.DENY, "unknown_host", "no [backend], and no [hosts] entry for it")
            )
        if command.operation.has_credential and not command.password:
            return Decision(Answer(Verdict.DENY, "empty_password"), asked.kind)
        exchange = asked.http.for_command(command, due, request_id)
        if asked.unescapes:
            command = replace(command, user=unescape_user(command.user))
        answer = _ask(asked.backend, command, exchange)
        return Decision(answer, asked.kind, exchange.status)

    @property
    def hosts(self) -> Collection[str]:
        """The virtual hosts that have a backend of their own."""
        return self._hosts.keys()

    def kind(self, host: str) -> str | None:
        """The kind of backend that a virtual host has."""
        asked = self._hosts.get(host, self._default)
        return asked.kind if asked else None

    def acquire(self) -> bool:
        """Counts one more use, to be ended by ``release``. Returns False after ``retire``."""
        with self._lock:
            if not self._is_retired:
                self._uses += 1
            return not self._is_retired

    def release(self) -> None:
        """Ends one use."""
        with self._lock:
            self._uses -= 1
            is_unused = self._is_retired and not self._uses
        if is_unused:
            run_in_background(self.close, "close")

    def retire(self) -> None:
        """Closes the backends as soon as no command uses them, in a thread of its own.

        The ``close`` of a backend may hang.
        """
        with self._lock:
            self._is_retired = True
            is_unused = not self._uses
        if is_unused:
            run_in_background(self.close, "close")

    def close(self) -> None:
        """Closes the connections that are not in use. Never raises, whatever a backend does."""
        for asked in (self._default, *self._hosts.values()):
            if asked:
                asked.http.close()
                with contextlib.suppress(Exception, SystemExit, KeyboardInterrupt):
                    asked.backend.close()


class UnconfiguredDecider:
    """What answers while there is no usable configuration: nothing but UNDECIDED."""

    deadline = 8.0
    hosts: Collection[str] = ()

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect

    def decide(self, command: Command, due: float, request_id: str) -> Decision:
        return Decision(Answer(Verdict.UNDECIDED, "config", "the configuration is broken"))

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


class _Asked:
    def __init__(self, settings: BackendSettings, pool: PoolFactory) -> None:
        self.kind = settings.kind
        self.unescapes = settings.jid_unescape
        self.http = HttpClientFactory(settings, pool)
        self.backend: Backend = backend_class(settings.kind)(settings)


def _ask(backend: Backend, command: Command, exchange: HttpClient) -> Answer:
    """The backend's answer; whatever else it does is UNDECIDED.

    Of an exception only the type and place are kept: its text may quote the password.
    """
    try:
        said = _METHODS[command.operation](backend)(command, exchange)
    except UndecidedError as undecided:
        said = Answer(Verdict.UNDECIDED, undecided.reason, undecided.detail)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - a backend may raise anything
        failure = undecided_of(error)
        if failure is None:
            return Answer(Verdict.UNDECIDED, "backend_error", _place(error))
        return Answer(Verdict.UNDECIDED, failure.reason, failure.detail)
    except SystemExit:
        return Answer(Verdict.UNDECIDED, "backend_exit", "the backend called sys.exit")
    if isinstance(said, Verdict):
        return Answer(said, _REASONS[said])
    if isinstance(said, Answer) and _is_sound(said):
        return said
    return Answer(Verdict.UNDECIDED, "not_a_verdict", f"the backend returned {type(said).__name__}")


def _is_sound(said: Answer) -> bool:
    """Whether it holds what its types promise: nobody checked that for a package of its own."""
    texts: tuple[object, ...] = (said.reason, said.detail)
    return isinstance(said.verdict, Verdict) and all(isinstance(text, str) for text in texts)


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
