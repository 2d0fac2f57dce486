"""Any extauth program, started and spoken to as ejabberd does it, one question at a time.

What ejabberd's service manager adds to that (a system-call filter, say) is not done here.
"""

import secrets
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from extauth_http.check.account import Account
from extauth_http.check.finding import Finding, broken, good, warning
from extauth_http.check.login import Login
from extauth_http.check.program.executable import why_not
from extauth_http.check.program.process import Member
from extauth_http.protocol.command import Command, Operation
from extauth_http.protocol.packets import packet
from extauth_http.terminal.masking import MASK

GIVES_UP = 30.0
"""Seconds that ejabberd waits for an answer."""

QUIET = 0.2
"""Seconds in which nothing must come that was not asked for."""

END = 3.0
"""Seconds in which the program has to end after its input did."""

ROUNDS = 5
ENOUGH = 10.0
"""Seconds of asking after which no further round is begun."""

SLOW = 8.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What a program did; ``latency`` is the time of a login in seconds, where one was answered."""

    findings: tuple[Finding, ...]
    latency: float | None = None


def watch(line: str, host: str, account: Account, login: Login | None) -> Seen:
    """Starts the ``extauth_program`` line for a host and asks it about somebody made up, and about
    ``login`` where it is of this host."""
    findings: list[Finding] = []
    try:
        started = Member(line, account)
    except (OSError, ValueError) as error:  # longer than the system takes, or with a NUL
        said = f"extauth_program cannot be started: {getattr(error, 'strerror', None) or error}"
        return Seen((broken("program-cannot-start", said, host=host),))
    with started as member:
        asking = _Asking(member, line, host, account)
        try:
            for finding in asking.findings(login if login and login.host == host else None):
                findings.append(finding)  # noqa: PERF402 - what came before a failure is kept
        except _Failed as failed:
            findings.append(failed.finding)
    return Seen(tuple(findings), asking.latency)


class _Failed(Exception):  # noqa: N818 - it carries what was found
    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.id)
        self.finding = finding


class _Asking:
    def __init__(self, member: Member, line: str, host: str, account: Account) -> None:
        self._member = member
        self._line = line
        self._host = host
        self._account = account
        self.latency: float | None = None

    def findings(self, login: Login | None) -> Iterator[Finding]:
        """Raises _Failed where it cannot go on."""
        yield from self._somebody_made_up()
        if login:
            self._member.hush()
            yield from self._log_in(login)
        yield from self._end()

    def _somebody_made_up(self) -> Iterator[Finding]:
        """Logins are what is measured: who exists is often answered faster."""
        host = self._host
        nobody = f"extauth-check-{secrets.token_hex(4)}"
        exists = Command(Operation.ISUSER, nobody, host)
        known, first = self._ask(exists)
        yield good(
            "program-starts",
            f"extauth_program answers {first * 1000:.0f} ms after its start, as "
            f"{self._account.runs_as}",
            host=host,
        )
        times: list[float] = []
        for _ in range(ROUNDS):
            guess = Command(Operation.AUTH, nobody, host, secrets.token_urlsafe(16))
            said, took = self._ask(guess)
            times.append(took)
            if said != 0 or sum(times) > ENOUGH:
                break
        self.latency = median(times)
        yield good(
            "program-answers",
            f"extauth_program answers a login in {median(times) * 1000:.1f} ms (median of "
            f"{len(times)}, worst {max(times) * 1000:.1f} ms)",
            host=host,
        )
        if max(first, *times) > SLOW:
            yield warning(
                "program-slow",
                f"extauth_program took {max(first, *times):.1f} s for an answer; ejabberd gives up "
                f"after {GIVES_UP:.0f} s, the time in the queue included",
                host=host,
            )
        if said == 1:
            yield broken(
                "program-lets-everyone-in",
                "extauth_program lets a made-up user in with a random password: it lets everyone "
                "in",
                host=host,
            )
        elif said == 0:
            yield good(
                "program-refuses",
                "extauth_program refuses a made-up user with a random password",
                host=host,
            )
        else:
            yield self._undecided(said, guess)
        if known == 1:
            yield warning(
                "program-knows-everybody",
                "extauth_program says that a made-up user exists: ejabberd then stores messages "
                "for anybody, and registers nobody",
                host=host,
            )
        elif known != 0 and said in (0, 1):
            yield self._undecided(known, exists)

    def _log_in(self, login: Login) -> Iterator[Finding]:
        is_in = False
        for operation in (Operation.AUTH, Operation.ISUSER):
            credential = login.password if operation.has_credential else ""
            command = Command(operation, login.user, login.host, credential)
            asked = f"{operation.value}:{login.user}:{login.host}" + f":{MASK}" * bool(credential)
            said, took = self._ask(command)
            if operation is Operation.AUTH:
                self.latency = max(took, self.latency or 0.0)
            if said == 1:
                is_in = True
                yield good(
                    "program-user",
                    f"extauth_program says yes to {asked}, in {took * 1000:.1f} ms",
                    host=login.host,
                )
            elif said != 0:
                yield self._undecided(said, command)
            elif is_in:
                yield warning(
                    "program-user-unknown",
                    f"extauth_program says no to {asked}: ejabberd refuses messages to this user "
                    "while offline",
                    host=login.host,
                )
            else:
                yield broken(
                    "program-user-refused",
                    f"extauth_program says no to {asked}",
                    host=login.host,
                )

    def _undecided(self, said: int, command: Command) -> Finding:
        """Nobody is kept out by an isuser that is no answer."""
        asked = f"extauth_program answers {command.operation.value} with {said}"
        if command.operation is Operation.ISUSER:
            return warning(
                "program-isuser-undecided",
                f"{asked}: nobody can tell whether the user exists",
                host=command.host,
                details=self._member.complaints(),
            )
        return broken(
            "program-undecided",
            f"{asked}: nobody can tell whether the user may come in, so nobody does; its log says "
            "why",
            host=command.host,
            details=self._member.complaints(),
        )

    def _end(self) -> Iterator[Finding]:
        self._member.read(QUIET)
        self._refuse_stray()
        began = time.monotonic()
        self._member.close_input()
        if self._member.exit_code(END) is None:
            yield broken(
                "program-stays",
                f"extauth_program still runs {END:.0f} s after its input ended: each time that "
                "ejabberd restarts it, one stays behind as an orphan",
                host=self._host,
            )
            return
        took = time.monotonic() - began
        yield good(
            "program-ends",
            f"extauth_program ends {took * 1000:.0f} ms after its input, and wrote nothing unasked "
            "before",
            host=self._host,
        )
        time.sleep(QUIET)  # what it started may be ending, too
        left = self._member.end_what_is_left()
        if left:
            yield warning(
                "program-leaves",
                f"extauth_program left {left} of the processes that it started behind when it "
                "ended; each restart adds some (they were ended now)",
                host=self._host,
            )

    def _ask(self, command: Command) -> tuple[int, float]:
        """The number that it answers with, and the seconds that took. Raises _Failed where that is
        not what it does."""
        member = self._member
        member.read(0.0)
        self._refuse_stray()
        began = time.monotonic()
        due = began + GIVES_UP
        member.write(packet(command), due)
        while len(member.output) < 4 and time.monotonic() < due and not member.is_closed:
            member.read(min(QUIET, due - time.monotonic()))
            if member.exit_code() is not None and not member.output:
                member.read(QUIET)
                break
        took = time.monotonic() - began
        if not b"\x00\x02".startswith(member.output[:2]):
            member.read(QUIET)
            self._refuse_stray()
        if len(member.output) < 4:
            raise _Failed(self._no_answer(command))
        answer, member.output = member.output[:4], member.output[4:]
        return int.from_bytes(answer[2:]), took

    def _refuse_stray(self) -> None:
        output = self._member.output
        if not output:
            return
        raise _Failed(
            broken(
                "program-stray-output",
                "extauth_program writes more than answers to standard output, and ejabberd takes "
                "it for answers, so logins are decided at random; it wrote "
                f"{self._member.shown(output)}",
                host=self._host,
                details=("what it has to tell belongs on standard error, or into a file",),
            )
        )

    def _no_answer(self, command: Command) -> Finding:
        asked = command.operation.value
        code = self._member.exit_code(QUIET if self._member.is_closed else 0.0)
        output = self._member.output
        if code is not None or self._member.is_closed:
            return self._gone(code, asked)
        if output:
            return broken(
                "program-half-answer",
                f"extauth_program answers {asked} with {len(output)} bytes, "
                f"{self._member.shown(output)}; an answer has 4: 0, 2, 0, and 1 for yes or 0 for "
                "no; ejabberd waits for the rest",
                host=self._host,
                details=self._member.complaints(),
            )
        return broken(
            "program-silent",
            f"extauth_program gave no answer to {asked} in {GIVES_UP:.0f} s: it does not read its "
            "input, waits for something, or its output stays in a buffer that nobody flushes",
            host=self._host,
            details=self._member.complaints(),
        )

    def _gone(self, code: int | None, asked: str) -> Finding:
        if code in (126, 127):
            said, line = why_not(self._line, self._account)
            return broken(
                "program-cannot-start",
                f"extauth_program cannot be started by {self._account.runs_as} (the shell ends "
                f"with {code}){': ' * bool(said)}{said}",
                line=line,
                host=self._host,
                details=self._member.complaints(),
            )
        said = f"ended with exit code {code}"
        if code is None:
            said = "closed its standard output"
        elif code < 0:
            said = f"was ended by signal {-code} ({signal.strsignal(-code)})"
        if code is not None and not self._member.is_closed:
            said += ", what it started keeps its output open,"
        why, line = why_not(self._line, self._account)
        return broken(
            "program-exits",
            f"extauth_program {said} instead of answering {asked}; where it cannot be started "
            "again at once, ejabberd gives up on it and all logins fail until ejabberd is "
            f"restarted (it ran as {self._account.runs_as}){': ' * bool(why)}{why}",
            line=line,
            host=self._host,
            details=self._member.complaints(),
        )
