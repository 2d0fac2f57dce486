"""The service behind the configuration: reached, trusted, quick, and not one that says yes to
everybody."""

import secrets
import socket
import ssl
import time
from collections.abc import Iterator
from statistics import median

from extauth_http.backends import BackendSettings
from extauth_http.check.finding import Finding, broken, good, warning
from extauth_http.check.login import Login
from extauth_http.check.shown import Asked, ShownHttp
from extauth_http.command import Command, Operation
from extauth_http.decide import Decider, Decision
from extauth_http.http import Origin
from extauth_http.settings import Settings
from extauth_http.verdict import Verdict

ROUNDS = 5
RENEW = 14  # days


def findings(settings: Settings, hosts: list[str], login: Login | None) -> Iterator[Finding]:
    """``hosts`` are the virtual hosts to ask about; where there are none, those of the
    configuration."""
    seen: set[Origin] = set()
    reached: list[bool] = []
    for backend in settings.backends().values():
        for origin in sorted({endpoint.origin for endpoint in backend.endpoints()} - seen):
            seen.add(origin)
            found = list(_reach(origin, backend, settings.deadline))
            reached.append(all(each.id != "backend-unreachable" for each in found))
            yield from found
    if reached and not any(reached):
        return
    asking = _Asking(settings)
    try:
        some = login.host if login else "example.org"
        for host in hosts or sorted(settings.hosts) or [some]:
            yield from _made_up(asking, host)
        if login:
            yield from _log_in(asking, login)
    finally:
        asking.decider.close()


class _Asking:
    """Asks as the program would, and keeps what the last command sent and got."""

    def __init__(self, settings: Settings) -> None:
        self._asked: list[Asked] = []
        self._names: set[str] = set()
        self.decider = Decider(
            settings, lambda backend: ShownHttp(backend, self._names, self._asked)
        )

    def decide(self, command: Command) -> Decision:
        self._asked.clear()
        self._names.clear()
        jid = f"{command.user}@{command.host}"
        self._names.update({command.user, command.host, jid} - {command.password})
        due = time.monotonic() + self.decider.deadline
        return self.decider.decide(command, due, f"check-{secrets.token_hex(4)}")

    @property
    def shown(self) -> tuple[str, ...]:
        return tuple(
            line
            for each in self._asked
            for line in (f"sent {each.sent}", f"came back {each.came_back}")
        )


def _reach(origin: Origin, backend: BackendSettings, seconds: float) -> Iterator[Finding]:
    if backend.trust_env:
        return  # a proxy of the environment may stand between; the answers tell
    host, port = origin.host.decode(), origin.port
    where = f"{origin.scheme.decode()}://{host}:{port}"
    try:
        addresses = sorted({str(each[4][0]) for each in socket.getaddrinfo(host, port)})
    except OSError:
        yield broken("backend-unreachable", f"{host}: this name does not resolve")
        return
    began = time.monotonic()
    try:
        connection = socket.create_connection((host, port), timeout=seconds)
    except OSError as error:
        why = error.strerror or "no answer in time"
        yield broken("backend-unreachable", f"{where} cannot be connected to: {why}")
        return
    took = (time.monotonic() - began) * 1000
    with connection:
        yield good(
            "backend-connects", f"{where} ({', '.join(addresses)}) connects in {took:.1f} ms"
        )
        if origin.scheme == b"https":
            yield _certificate(connection, host, where, backend)


def _certificate(
    connection: socket.socket, host: str, where: str, backend: BackendSettings
) -> Finding:
    try:
        with backend.tls.context().wrap_socket(connection, server_hostname=host) as wrapped:
            certificate = wrapped.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        return broken("backend-tls", f"{where}: the certificate is refused: {error.verify_message}")
    except OSError as error:
        why = getattr(error, "reason", None) or error.strerror or "no answer in time"
        return broken("backend-tls", f"{where}: no TLS connection: {why}")
    ends = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
    days = int((ends - time.time()) // 86400)
    if days < RENEW:
        return warning("backend-certificate-ends", f"{where}: the certificate ends in {days} days")
    return good("backend-certificate", f"{where}: the certificate is good for {days} days")


def _made_up(asking: _Asking, host: str) -> Iterator[Finding]:
    nobody = f"extauth-check-{secrets.token_hex(4)}"
    times = []
    for _ in range(ROUNDS):
        began = time.monotonic()
        decision = asking.decide(Command(Operation.ISUSER, nobody, host))
        times.append((time.monotonic() - began) * 1000)
    if decision.answer.reason == "unknown_host":
        yield broken(
            "backend-none",
            f"no backend is configured for {host}: nobody there gets in",
            line=f'[hosts."{host}".backend]',
            host=host,
        )
        return
    if decision.answer.verdict is Verdict.UNDECIDED:
        yield _nobody_can_tell(asking, "isuser", host, decision)
    else:
        yield good(
            "backend-answers",
            f"the service answers in {median(times):.1f} ms (median of {ROUNDS}, worst "
            f"{max(times):.1f} ms)",
            host=host,
        )
    decision = asking.decide(Command(Operation.AUTH, nobody, host, secrets.token_urlsafe(16)))
    if decision.answer.verdict is Verdict.ALLOW:
        yield broken(
            "backend-lets-everyone-in",
            "the service says yes to a made-up user with a random password: it lets everyone in",
            host=host,
            details=asking.shown,
        )
    elif decision.answer.verdict is Verdict.DENY:
        yield good(
            "backend-refuses",
            "the service refuses a made-up user with a random password",
            host=host,
        )
    else:
        yield _nobody_can_tell(asking, "auth", host, decision)


def _log_in(asking: _Asking, login: Login) -> Iterator[Finding]:
    for operation in (Operation.AUTH, Operation.ISUSER):
        password = login.password if operation.has_credential else ""
        decision = asking.decide(Command(operation, login.user, login.host, password))
        verdict = decision.answer.verdict
        said = f"{operation.value} of {login.user}@{login.host}: {verdict.value}"
        if verdict is Verdict.ALLOW:
            yield good("backend-user", said, host=login.host, details=asking.shown)
        elif verdict is Verdict.UNDECIDED:
            yield _nobody_can_tell(asking, operation.value, login.host, decision)
        else:
            yield broken(
                "backend-user-refused",
                f"{said} ({decision.answer.reason})",
                host=login.host,
                details=asking.shown,
            )


def _nobody_can_tell(asking: _Asking, operation: str, host: str, decision: Decision) -> Finding:
    answer = decision.answer
    why = ": ".join(filter(None, (answer.reason, answer.detail)))
    return broken(
        "backend-undecided",
        f"{operation}: nobody can tell ({why}), so nobody gets in",
        host=host,
        details=asking.shown,
    )
