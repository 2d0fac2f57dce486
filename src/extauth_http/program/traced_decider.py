"""A decider that keeps what the last command exchanged with the service, for ``replay -v``."""

from extauth_http.backends.request_trace import Trace, TracingPool
from extauth_http.config.section import secrets_of
from extauth_http.config.settings import Settings
from extauth_http.program.decider import Decider
from extauth_http.program.outcome import Decision
from extauth_http.protocol.command import Command
from extauth_http.protocol.replies import Dialect


class TracedDecider:
    """For one command after the other. Credentials are masked in what it keeps."""

    def __init__(self, settings: Settings) -> None:
        self._trace = Trace()
        self._secrets = set(secrets_of(settings))
        self._decider = Decider(
            settings, lambda backend: TracingPool(backend, self._trace), explains=True
        )

    @property
    def deadline(self) -> float:
        return self._decider.deadline

    @property
    def dialect(self) -> Dialect:
        return self._decider.dialect

    def decide(self, command: Command, due: float, request_id: str) -> Decision:
        public = (command.user, command.host, f"{command.user}@{command.host}")
        self._trace.restart(public, {command.password, *self._secrets} - {""})
        return self._decider.decide(command, due, request_id)

    def kind(self, host: str) -> str | None:
        return self._decider.kind(host)

    def release(self) -> None:
        """Nothing to do: the decider is used until the end."""

    def lines(self, decision: Decision) -> tuple[str, ...]:
        """The requests and responses of the last command, and the rules that decided it."""
        return (*self._trace.lines_with_headers, *decision.notes)
