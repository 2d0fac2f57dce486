"""The service behind the configuration: quick, and not one that says yes to everybody.

``reached.py`` looks at the way to it.
"""

import secrets
import time
from collections.abc import Iterator
from statistics import median

from extauth_http.check.configuration.file import SMALLEST
from extauth_http.check.finding import Finding, broken, good, warning
from extauth_http.check.login import Login
from extauth_http.check.service.reachability import reach
from extauth_http.check.service.trace import TracedRequest, TracingPool, why
from extauth_http.config.endpoint import Origin
from extauth_http.config.settings import Settings
from extauth_http.program.decider import Decider
from extauth_http.program.outcome import Decision
from extauth_http.protocol.command import Command, Operation
from extauth_http.protocol.verdict import Verdict

ROUNDS = 5
LIKE_A_WRONG_URL = {"http_401", "http_403", "http_404", "http_405"}


def findings(settings: Settings, hosts: list[str], login: Login | None) -> Iterator[Finding]:
    """``hosts`` are the virtual hosts to ask about; where there are none, those of the
    configuration and of ``login``."""
    seen: set[Origin] = set()
    reached: list[bool] = []
    tables = {f"hosts.{host}.backend": f'hosts."{host}".backend' for host in settings.hosts}
    for where, backend in settings.backends().items():
        for origin in sorted({endpoint.origin for endpoint in backend.endpoints()} - seen):
            seen.add(origin)
            found = list(reach(origin, backend, tables.get(where, where), settings.deadline))
            reached.append(all(each.level < 2 for each in found))
            yield from found
    if reached and not any(reached):
        return
    try:
        asking = _Asking(settings)
    except Exception as error:  # noqa: BLE001 - a backend of a package of its own may do anything
        yield broken("backend-fails", f"a backend cannot be made: {type(error).__name__}")
        return
    try:
        own = [login.host] if login else []
        for host in hosts or [*dict.fromkeys([*sorted(settings.hosts), *own])] or ["example.org"]:
            yield from _made_up(asking, host)
        if login:
            yield from _log_in(asking, login)
    finally:
        asking.decider.close()


class _Asking:
    """Asks as the program would, and keeps what the last command sent and got."""

    def __init__(self, settings: Settings) -> None:
        self._asked: list[TracedRequest] = []
        self._names: set[str] = set()
        self.decider = Decider(
            settings, lambda backend: TracingPool(backend, self._names, self._asked)
        )

    def decide(self, command: Command) -> tuple[Decision, float]:
        """The decision and the seconds that it took."""
        self._asked.clear()
        self._names.clear()
        jid = f"{command.user}@{command.host}"
        self._names.update({command.user, command.host, jid} - {command.password})
        began = time.monotonic()
        due = began + self.decider.deadline
        decision = self.decider.decide(command, due, f"check-{secrets.token_hex(4)}")
        return decision, time.monotonic() - began

    @property
    def shown(self) -> tuple[str, ...]:
        return tuple(
            line
            for each in self._asked
            for line in (f"sent {each.sent}", f"came back {each.came_back}")
        )


def _made_up(asking: _Asking, host: str) -> Iterator[Finding]:
    """Asks for logins of somebody made up, which take what a login takes."""
    nobody = f"extauth-check-{secrets.token_hex(4)}"
    times = []
    for _ in range(ROUNDS):
        guess = Command(Operation.AUTH, nobody, host, secrets.token_urlsafe(16))
        decision, took = asking.decide(guess)
        times.append(took)
        if decision.answer.verdict is not Verdict.DENY:
            break
    reason = decision.answer.reason
    if reason == "unknown_host":
        yield broken(
            "backend-none",
            f"no backend is configured for {host}: nobody there gets in",
            line=SMALLEST.replace("[backend]", f'[hosts."{host}".backend]'),
            host=host,
        )
        return
    if decision.answer.verdict is Verdict.UNDECIDED:
        yield _nobody_can_tell(asking, guess, decision)
        return
    if not asking.shown and decision.answer.verdict is Verdict.DENY:
        yield warning(
            "backend-not-asked",
            f"auth of a made-up user is refused without asking the service "
            f"({why(decision.answer, '')}): whether it lets everyone in is not known",
            host=host,
        )
        return
    if decision.answer.verdict is Verdict.ALLOW:
        yield broken(
            "backend-lets-everyone-in",
            "the service says yes to a made-up user with a random password: it lets everyone in",
            host=host,
            details=asking.shown,
        )
    else:
        also = ", which a wrong url gives too: try --user" * (reason in LIKE_A_WRONG_URL)
        yield good(
            "backend-refuses",
            f"the service refuses a made-up user with a random password ({reason}{also})",
            host=host,
        )
    yield from _quick(times, asking.decider.deadline, host)
    exists = Command(Operation.ISUSER, nobody, host)
    decision, _ = asking.decide(exists)
    if not asking.shown:
        yield good(
            "backend-isuser-configured",
            f"isuser is {decision.answer.verdict.value} for everybody ({decision.answer.reason})",
            host=host,
        )
    elif decision.answer.verdict is Verdict.UNDECIDED:
        yield _nobody_can_tell(asking, exists, decision)
    elif decision.answer.verdict is Verdict.ALLOW:
        yield warning(
            "backend-knows-everybody",
            "isuser of a made-up user: yes; ejabberd then stores messages for anybody, and "
            "registers nobody",
            host=host,
        )
    else:
        yield good(
            "backend-knows-nobody",
            f"isuser of a made-up user: no ({decision.answer.reason})",
            host=host,
        )


def _quick(times: list[float], deadline: float, host: str) -> Iterator[Finding]:
    said = (
        f"the service answers auth in {median(times) * 1000:.1f} ms (median of {len(times)}, "
        f"worst {max(times) * 1000:.1f} ms)"
    )
    if max(times) > deadline / 2:
        yield warning("backend-slow", f"{said}; the deadline is {deadline:g} s", host=host)
    else:
        yield good("backend-answers", said, host=host)


def _log_in(asking: _Asking, login: Login) -> Iterator[Finding]:
    is_in = False
    for operation in (Operation.AUTH, Operation.ISUSER):
        password = login.password if operation.has_credential else ""
        command = Command(operation, login.user, login.host, password)
        decision, took = asking.decide(command)
        verdict = decision.answer.verdict
        said = f"{operation.value} of {login.jid}: {verdict.value}"
        if verdict is Verdict.ALLOW:
            is_in = True
            yield good(
                "backend-user",
                f"{said}, in {took * 1000:.1f} ms",
                host=login.host,
                details=asking.shown,
            )
        elif operation is Operation.ISUSER and not asking.shown:
            pass  # told above, of everybody
        elif verdict is Verdict.UNDECIDED:
            yield _nobody_can_tell(asking, command, decision)
        else:
            tell = warning if operation is Operation.ISUSER and is_in else broken
            yield tell(
                "backend-user-refused" if tell is broken else "backend-user-unknown",
                f"{said} ({why(decision.answer, login.password)})",
                host=login.host,
                details=(*asking.shown, *_hints(decision)),
            )


def _hints(decision: Decision) -> tuple[str, ...]:
    if decision.answer.reason in LIKE_A_WRONG_URL:
        return ("such a status also comes from a wrong url, or where service_auth is missing",)
    return ()


def _nobody_can_tell(asking: _Asking, command: Command, decision: Decision) -> Finding:
    """Of an isuser it is a warning: a token service may be configured to say so, and nobody is
    kept out."""
    reason = why(decision.answer, command.password)
    said = f"{command.operation.value} of {command.user}@{command.host}: nobody can tell ({reason})"
    if command.operation is Operation.ISUSER:
        return warning(
            "backend-isuser-undecided",
            f"{said}; ejabberd refuses messages to those who are offline",
            host=command.host,
            details=asking.shown,
        )
    return broken(
        "backend-undecided",
        f"{said}, so nobody gets in",
        host=command.host,
        details=(*asking.shown, *_hints(decision)),
    )
