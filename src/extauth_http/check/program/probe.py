"""Starts any ``extauth_program`` as ejabberd does and sends it requests, one at a time.

The service manager may restrict ejabberd further, with a system-call filter for example. That is
not reproduced here.
"""

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from extauth_http.check.account import Account
from extauth_http.check.finding import Finding, broken, good, warning
from extauth_http.check.login import Login
from extauth_http.check.program.exchange import SETTLE_TIME, Exchange, ProbeError, Reply
from extauth_http.check.program.pool_member import PoolMember
from extauth_http.protocol.command import Command, Operation
from extauth_http.protocol.limits import EJABBERD_TIMEOUT
from extauth_http.terminal.masking import MASK

EXIT_TIMEOUT = 3.0
"""Seconds in which the program has to exit after the end of its input."""

ROUNDS = 5
MAX_MEASURING = 10.0
"""Seconds of replies after which no further round begins."""

SLOW = 8.0
"""Seconds for one reply from which on there is a warning."""

NO, YES = 0, 1


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The findings, and the time of a login in seconds if the program has replied to one."""

    findings: tuple[Finding, ...]
    latency: float | None = None


def probe(command_line: str, host: str, account: Account, login: Login | None) -> ProbeResult:
    """Asks the program of a host about a user that does not exist, and about ``login`` if it is
    of this host."""
    findings: list[Finding] = []
    try:
        member = PoolMember(command_line, account)
    except (OSError, ValueError) as error:  # the line is too long or contains a NUL
        reason = getattr(error, "strerror", None) or error
        text = f"extauth_program cannot be started: {reason}"
        return ProbeResult((broken("program-cannot-start", text, host=host),))
    with member:
        steps = _Probe(Exchange(member, command_line, host, account))
        try:
            for finding in steps.findings(login if login and login.host == host else None):
                findings.append(finding)  # noqa: PERF402 - an error keeps the earlier findings
        except ProbeError as error:
            findings.append(error.finding)
    return ProbeResult(tuple(findings), steps.latency)


class _Probe:
    """The steps. ``latency`` is the time of a login in seconds, once it is measured."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._member = exchange.member
        self._host = exchange.host
        self.latency: float | None = None

    def findings(self, login: Login | None) -> Iterator[Finding]:
        """Raises ProbeError if the probe cannot continue."""
        yield from self._unknown_user()
        if login:
            self._member.hide_output()
            yield from self._login(login)
        yield from self._exit()

    def _unknown_user(self) -> Iterator[Finding]:
        user = f"extauth-check-{secrets.token_hex(4)}"
        exists = Command(Operation.ISUSER, user, self._host)
        first = self._exchange.request(exists)
        yield good(
            "program-starts",
            f"extauth_program replies {first.seconds * 1000:.0f} ms after its start. It runs as "
            f"{self._exchange.account.runs_as}",
            host=self._host,
        )
        attempt, replies = self._measure(user)
        times = [reply.seconds for reply in replies]
        self.latency = median(times)
        yield good(
            "program-answers",
            f"extauth_program replies to a login in {self.latency * 1000:.1f} ms (median of "
            f"{len(times)}, maximum {max(times) * 1000:.1f} ms)",
            host=self._host,
        )
        slowest = max(first.seconds, *times)
        if slowest > SLOW:
            yield warning(
                "program-slow",
                f"extauth_program took {slowest:.1f} s for a reply. The timeout of ejabberd is "
                f"{EJABBERD_TIMEOUT:.0f} s, time in the queue included",
                host=self._host,
            )
        yield self._refusal(attempt, replies[-1])
        is_login_decided = replies[-1].value in (NO, YES)
        if first.value == YES:
            yield warning(
                "program-knows-everybody",
                "extauth_program says yes to isuser of a user that does not exist: ejabberd then "
                "stores messages to any user and refuses every registration",
                host=self._host,
            )
        elif first.value != NO and is_login_decided:
            yield self._undecided(first, exists)

    def _measure(self, user: str) -> tuple[Command, list[Reply]]:
        """The last command and all replies. Logins are measured because isuser is often faster."""
        replies: list[Reply] = []
        for _ in range(ROUNDS):
            password = secrets.token_urlsafe(16)
            command = Command(Operation.AUTH, user, self._host, password)
            reply = self._exchange.request(command)
            replies.append(reply)
            if reply.value != NO or sum(each.seconds for each in replies) > MAX_MEASURING:
                break
        return command, replies

    def _refusal(self, attempt: Command, reply: Reply) -> Finding:
        if reply.value == NO:
            return good(
                "program-refuses",
                "extauth_program refuses a user that does not exist",
                host=self._host,
            )
        if reply.value == YES:
            return broken(
                "program-lets-everyone-in",
                "extauth_program lets everyone log in: it accepts a user that does not exist with "
                "a random password",
                host=self._host,
            )
        return self._undecided(reply, attempt)

    def _login(self, login: Login) -> Iterator[Finding]:
        request = f"{login.user}:{login.host}"
        auth = Command(Operation.AUTH, login.user, login.host, login.password)
        reply = self._exchange.request(auth)
        self.latency = max(reply.seconds, self.latency or 0.0)
        is_accepted = reply.value == YES
        if reply.value == NO:
            yield broken(
                "program-user-refused",
                f"extauth_program says no to auth:{request}:{MASK}",
                host=login.host,
            )
        else:
            yield self._user_finding(f"auth:{request}:{MASK}", auth, reply)
        isuser = Command(Operation.ISUSER, login.user, login.host)
        reply = self._exchange.request(isuser)
        if reply.value != NO:
            yield self._user_finding(f"isuser:{request}", isuser, reply)
        elif is_accepted:
            yield warning(
                "program-user-unknown",
                f"extauth_program says no to isuser:{request}: ejabberd refuses messages to this "
                "user while the user is offline",
                host=login.host,
            )
        else:
            yield broken(
                "program-user-refused",
                f"extauth_program says no to isuser:{request}",
                host=login.host,
            )

    def _user_finding(self, request: str, command: Command, reply: Reply) -> Finding:
        if reply.value != YES:
            return self._undecided(reply, command)
        return good(
            "program-user",
            f"extauth_program says yes to {request} in {reply.seconds * 1000:.1f} ms",
            host=command.host,
        )

    def _undecided(self, reply: Reply, command: Command) -> Finding:
        """An undecided isuser refuses no login, so it is only a warning."""
        text = f"extauth_program replies to {command.operation.value} with {reply.value}"
        if command.operation is Operation.ISUSER:
            return warning(
                "program-isuser-undecided",
                f"{text}: it is undecided whether the user exists",
                host=command.host,
                details=self._member.error_lines(),
            )
        return broken(
            "program-undecided",
            f"{text}: it is undecided whether the user may log in, so the login fails. The log of "
            "the program has the reason",
            host=command.host,
            details=self._member.error_lines(),
        )

    def _exit(self) -> Iterator[Finding]:
        self._member.read(SETTLE_TIME)
        self._exchange.check_no_output()
        started = time.monotonic()
        self._member.close_input()
        if self._member.exit_code(EXIT_TIMEOUT) is None:
            yield broken(
                "program-stays",
                f"extauth_program still runs {EXIT_TIMEOUT:.0f} s after the end of its input: each "
                "restart of ejabberd leaves another process behind",
                host=self._host,
            )
            return
        milliseconds = (time.monotonic() - started) * 1000
        yield good(
            "program-ends",
            f"extauth_program exits {milliseconds:.0f} ms after the end of its input, and wrote "
            "nothing but replies",
            host=self._host,
        )
        time.sleep(SETTLE_TIME)  # processes that it started may be ending as well
        count = self._member.end_descendants()
        if count:
            yield warning(
                "program-leaves",
                f"extauth_program left {count} processes behind when it exited. Each restart adds "
                "more. This check has ended them",
                host=self._host,
            )
