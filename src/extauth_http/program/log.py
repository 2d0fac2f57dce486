"""The log: one event per packet, one line per event.

Several processes append to the same file, each line in one write. A log that cannot be written
loses lines and never delays a reply by more than the limits in ``log_file``.
"""

import json
import os
from typing import Any

from extauth_http.config.settings import LogSettings
from extauth_http.program.log_file import LogFile
from extauth_http.program.outcome import Outcome
from extauth_http.program.structlog_without_rich import structlog
from extauth_http.protocol.verdict import Verdict

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class Log:
    """Writes events as JSON lines, or as text for people. Safe to use from several threads."""

    def __init__(self, console_level: str | None = None) -> None:
        """``console_level`` replaces the level, the format and the file of the settings."""
        self._console_level = console_level
        self._sink = LogFile(None)
        self._logger: Any = None
        self._settings: LogSettings | None = None
        self.configure(LogSettings())

    def configure(self, settings: LogSettings) -> None:
        """Uses these settings from the next event on."""
        if settings == self._settings:
            return
        self._settings = settings
        if self._console_level:
            settings = LogSettings(level=self._console_level, format="console")  # type: ignore[arg-type]
        if settings.file != self._sink.file:
            self._sink.close()
            self._sink = LogFile(settings.file)
        self._logger = structlog.wrap_logger(
            _Lines(self._sink),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
                _renderer(settings, self._sink),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[settings.level]),
            cache_logger_on_first_use=True,
        ).bind(pid=os.getpid())

    def event(self, level: str, name: str, **fields: Any) -> None:
        """Writes an event that does not belong to a packet.

        ``level`` is ``debug``, ``info``, ``warning`` or ``error``.
        """
        getattr(self._logger, level)(name, **fields)

    def outcome(self, outcome: Outcome) -> None:
        """Writes the event of one packet, as a warning if it is UNDECIDED."""
        answer = outcome.decision.answer
        fields: dict[str, Any] = {}
        if outcome.operation:
            fields["operation"] = outcome.operation.value
        if outcome.command:
            fields["user"] = outcome.command.user
            fields["host"] = outcome.command.host
        else:
            fields["bytes"] = outcome.size
        fields["verdict"] = answer.verdict.value
        fields["reason"] = answer.reason
        if outcome.decision.backend:
            fields["backend"] = outcome.decision.backend
        if outcome.decision.status is not None:
            fields["status"] = outcome.decision.status
        if outcome.decision.link:
            fields["link"] = outcome.decision.link
        if outcome.decision.service:
            fields["service"] = outcome.decision.service
        fields["ms"] = round(outcome.seconds * 1000, 3)
        if outcome.is_queued:
            fields["queued"] = True
        fields["request"] = outcome.request_id
        if answer.detail:
            fields["detail"] = answer.detail
        if answer.verdict is Verdict.UNDECIDED:
            self._logger.warning("answer", **fields)
        else:
            self._logger.info("answer", **fields)


def _renderer(settings: LogSettings, sink: LogFile) -> Any:
    if settings.format == "console":
        return _console_renderer(colors=sink.is_terminal())
    # One encoder for all events: ``json.dumps`` with options creates one per call.
    encode = json.JSONEncoder(ensure_ascii=False, default=str).encode
    return structlog.processors.JSONRenderer(serializer=lambda event, **_: encode(event))


def _console_renderer(*, colors: bool) -> Any:
    """A renderer for terminals: no text from outside gets there with a control character."""
    from extauth_http.terminal.printable import printable

    render = structlog.dev.ConsoleRenderer(colors=colors, timestamp_key="time")

    def render_printable(logger: Any, name: str, event: dict[str, Any]) -> str:
        safe = {
            key: printable(value) if isinstance(value, str) else value
            for key, value in event.items()
        }
        return render(logger, name, safe)

    return render_printable


class _Lines:
    """The logger that structlog calls with each rendered event."""

    def __init__(self, sink: LogFile) -> None:
        self._sink = sink

    def msg(self, line: str) -> None:
        self._sink.write(line.encode(errors="backslashreplace") + b"\n")

    debug = info = warning = error = msg
