"""Sends logins to the service as the program does: a user that does not exist, and ``--user``."""

import secrets
import time
from collections.abc import Iterator, Mapping
from statistics import median

from extauth_http.backends.request_trace import Trace, TracingPool
from extauth_http.check.backend_example import NO_EXAMPLES, BackendExample, host_table
from extauth_http.check.finding import Finding, Level, broken, good, warning
from extauth_http.check.login import Login
from extauth_http.check.service import alternatives, reachability
from extauth_http.check.service.description import (
    WRONG_URL_REASONS,
    describe_answer,
    hints,
)
from extauth_http.config.backend import BackendSettings
from extauth_http.config.endpoint import Origin
from extauth_http.config.section import secrets_of
from extauth_http.config.settings import Settings
from extauth_http.program.decider import Decider
from extauth_http.program.outcome import Decision
from extauth_http.protocol.command import Command, Operation
from extauth_http.protocol.verdict import Verdict

ROUNDS = 5
UNUSUAL_REASONS = WRONG_URL_REASONS - {"http_401"}
"""Reasons that few services have for a wrong password, and many for a wrong url or secret."""

DEFAULT_HOST = "example.org"
"""The virtual host to ask about if none is known."""


def findings(
    settings: Settings,
    hosts: list[str],
    login: Login | None,
    examples: Mapping[str, BackendExample] = NO_EXAMPLES,
) -> Iterator[Finding]:
    """``hosts`` are the virtual hosts to ask about; if empty, those of the configuration and of
    ``login``. ``examples`` are the backends to write for hosts that have none."""
    is_reached: list[bool] = []
    for origin, backend, table in _origins(settings):
        found = list(reachability.findings(origin, backend, table, settings.deadline))
        is_reached.append(all(each.level is not Level.BROKEN for each in found))
        yield from found
    if is_reached and not any(is_reached):
        return
    try:
        probe = _Probe(settings)
    except Exception as error:  # noqa: BLE001 - the backend of a plugin may raise anything
        yield broken("backend-fails", f"cannot create a backend: {type(error).__name__}")
        return
    try:
        configured = [*sorted(settings.hosts), *([login.host] if login else [])]
        for host in hosts or list(dict.fromkeys(configured)) or [DEFAULT_HOST]:
            example = examples.get(host, BackendExample())
            yield from _unknown_user(probe, host, example, is_login_next=login is not None)
            yield from alternatives.findings(settings, host)
        if login:
            yield from _login(probe, login)
    finally:
        probe.decider.close()


def _origins(settings: Settings) -> Iterator[tuple[Origin, BackendSettings, str]]:
    """Each origin once, with its backend and the name of the backend's table in TOML."""
    seen: set[Origin] = set()
    for table, backend in _tables(settings):
        nested = {each for inner in backend.nested_tables().values() for each in inner.endpoints()}
        own = {each.origin for each in backend.endpoints() if each not in nested}
        for origin in sorted(own - seen):
            seen.add(origin)
            yield origin, backend, table


def _tables(settings: Settings) -> Iterator[tuple[str, BackendSettings]]:
    names = {f"hosts.{host}.backend": host_table(host) for host in settings.hosts}
    for place, backend in settings.backends().items():
        yield from _with_nested_tables(names.get(place, place), backend)


def _with_nested_tables(
    table: str, backend: BackendSettings
) -> Iterator[tuple[str, BackendSettings]]:
    yield table, backend
    for key, inner in backend.nested_tables().items():
        yield from _with_nested_tables(f"{table}.{key}", inner)


class _Probe:
    """Decides as the program does, and records the requests of the last command."""

    def __init__(self, settings: Settings) -> None:
        self._trace = Trace()
        self._secrets = set(secrets_of(settings))
        self.decider = Decider(settings, lambda backend: TracingPool(backend, self._trace))

    def decide(self, command: Command) -> tuple[Decision, float]:
        """The decision and the seconds that it took."""
        public = (command.user, command.host, f"{command.user}@{command.host}")
        self._trace.restart(public, self.secrets(command))
        started = time.monotonic()
        due = started + self.decider.deadline
        decision = self.decider.decide(command, due, f"check-{secrets.token_hex(4)}")
        return decision, time.monotonic() - started

    @property
    def trace(self) -> tuple[str, ...]:
        """The requests and responses of the last command; empty if there was no request."""
        return self._trace.lines

    def secrets(self, command: Command) -> set[str]:
        """What must not be shown of a command and of the configuration."""
        return {command.password, *self._secrets} - {""}

    def describe(self, command: Command, decision: Decision) -> str:
        return describe_answer(decision, self.secrets(command))

    def details(self, command: Command, decision: Decision) -> tuple[str, ...]:
        """The requests and responses, and what else is known about an answer."""
        return (*self.trace, *hints(decision.answer, self.secrets(command)))


def _unknown_user(
    probe: _Probe, host: str, example: BackendExample, *, is_login_next: bool
) -> Iterator[Finding]:
    user = f"extauth-check-{secrets.token_hex(4)}"
    times = []
    for _ in range(ROUNDS):
        attempt = Command(Operation.AUTH, user, host, secrets.token_urlsafe(16))
        decision, seconds = probe.decide(attempt)
        times.append(seconds)
        if decision.answer.verdict is not Verdict.DENY:
            break
    if decision.answer.reason == "unknown_host":
        yield broken(
            "backend-none",
            f"no backend is configured for {host}: all logins there fail",
            line=example.toml(host_table(host)),
            host=host,
        )
        return
    yield _refusal(probe, attempt, decision, is_login_next=is_login_next)
    if decision.answer.verdict is Verdict.UNDECIDED:
        return
    if not probe.trace and decision.answer.verdict is Verdict.DENY:
        return
    yield _latency(times, probe.decider.deadline, host)
    yield _existence(probe, Command(Operation.ISUSER, user, host))


def _refusal(
    probe: _Probe, attempt: Command, decision: Decision, *, is_login_next: bool
) -> Finding:
    answer, host = decision.answer, attempt.host
    if answer.verdict is Verdict.UNDECIDED:
        return _undecided(probe, attempt, decision)
    if answer.verdict is Verdict.ALLOW:
        return broken(
            "backend-lets-everyone-in",
            "the service lets everyone log in: it accepts a user that does not exist with a random "
            "password",
            host=host,
            details=probe.trace,
        )
    if not probe.trace:
        return warning(
            "backend-not-asked",
            "auth of a user that does not exist is refused without a request to the service "
            f"({probe.describe(attempt, decision)}): it is unknown whether the service lets "
            "everyone log in",
            host=host,
        )
    text = f"the service refuses a user that does not exist ({answer.reason})"
    if is_login_next:
        return good("backend-refuses", text, host=host)
    causes = "a wrong url or secret" if answer.reason in WRONG_URL_REASONS else "a wrong secret"
    text += (
        f". It may refuse everyone, because of {causes} for example. Try a real user: "
        "extauth-http check --user JID"
    )
    if answer.reason in UNUSUAL_REASONS:
        return warning("backend-refuses", text, host=host, details=probe.trace)
    return good("backend-refuses", text, host=host)


def _latency(times: list[float], deadline: float, host: str) -> Finding:
    text = (
        f"the service replies to auth in {median(times) * 1000:.1f} ms (median of {len(times)}, "
        f"maximum {max(times) * 1000:.1f} ms)"
    )
    if max(times) > deadline / 2:
        return warning("backend-slow", f"{text}. The deadline is {deadline:g} s", host=host)
    return good("backend-answers", text, host=host)


def _existence(probe: _Probe, isuser: Command) -> Finding:
    decision, _ = probe.decide(isuser)
    verdict, reason = decision.answer.verdict, decision.answer.reason
    if not probe.trace:
        return good(
            "backend-isuser-configured",
            f"isuser is {verdict.value} for every user, without a request ({reason})",
            host=isuser.host,
        )
    if verdict is Verdict.UNDECIDED:
        return _undecided(probe, isuser, decision)
    if verdict is Verdict.ALLOW:
        return warning(
            "backend-knows-everybody",
            "the service says yes to isuser of a user that does not exist: ejabberd then stores "
            "messages to any user and refuses every registration",
            host=isuser.host,
        )
    return good(
        "backend-knows-nobody",
        f"the service says no to isuser of a user that does not exist ({reason})",
        host=isuser.host,
    )


def _login(probe: _Probe, login: Login) -> Iterator[Finding]:
    auth = Command(Operation.AUTH, login.user, login.host, login.password)
    decision, seconds = probe.decide(auth)
    is_accepted = decision.answer.verdict is Verdict.ALLOW
    yield _user_finding(probe, auth, decision, seconds, is_accepted=is_accepted)
    if is_accepted:
        yield from _wrong_password(probe, login)
    isuser = Command(Operation.ISUSER, login.user, login.host)
    decision, seconds = probe.decide(isuser)
    # Without a request the result is the same for every user, and reported above.
    if probe.trace or decision.answer.verdict is Verdict.ALLOW:
        yield _user_finding(probe, isuser, decision, seconds, is_accepted=is_accepted)


def _wrong_password(probe: _Probe, login: Login) -> Iterator[Finding]:
    """A service can refuse an unknown user and accept any password of a user that exists."""
    wrong = Command(Operation.AUTH, login.user, login.host, secrets.token_urlsafe(16))
    decision, _ = probe.decide(wrong)
    if decision.answer.verdict is Verdict.ALLOW:
        yield broken(
            "backend-accepts-any-password",
            f"the service lets {login.user}@{login.host} log in with a random password",
            host=login.host,
            details=probe.trace,
        )
    elif decision.answer.verdict is Verdict.DENY:
        yield good(
            "backend-refuses-password",
            f"the service refuses a wrong password of {login.user}@{login.host} "
            f"({decision.answer.reason})",
            host=login.host,
        )
    else:
        yield _undecided(probe, wrong, decision)


def _user_finding(
    probe: _Probe, command: Command, decision: Decision, seconds: float, *, is_accepted: bool
) -> Finding:
    """``is_accepted`` says whether the user could log in. It is then only a warning if isuser
    says no."""
    verdict = decision.answer.verdict
    text = f"{command.operation.value} of {command.user}@{command.host}: {verdict.value}"
    if verdict is Verdict.ALLOW:
        return good(
            "backend-user",
            f"{text}, in {seconds * 1000:.1f} ms",
            host=command.host,
            details=probe.trace,
        )
    if verdict is Verdict.UNDECIDED:
        return _undecided(probe, command, decision)
    text += f" ({probe.describe(command, decision)})"
    details = probe.details(command, decision)
    if command.operation is Operation.ISUSER and is_accepted:
        return warning("backend-user-unknown", text, host=command.host, details=details)
    return broken("backend-user-refused", text, host=command.host, details=details)


def _undecided(probe: _Probe, command: Command, decision: Decision) -> Finding:
    """An undecided isuser refuses no login, and a token service may be configured for it, so it is
    only a warning."""
    reason = probe.describe(command, decision)
    text = f"{command.operation.value} of {command.user}@{command.host}: undecided ({reason})"
    if command.operation is Operation.ISUSER:
        return warning(
            "backend-isuser-undecided",
            f"{text}. ejabberd refuses messages to users who are offline",
            host=command.host,
            details=probe.trace,
        )
    return broken(
        "backend-undecided",
        f"{text}. ejabberd refuses this login",
        host=command.host,
        details=probe.details(command, decision),
    )
