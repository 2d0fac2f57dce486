"""Any extauth program, started and spoken to as ejabberd does it.

``open_port({spawn, Line}, [{packet, 2}])`` is ``/bin/sh -c 'exec LINE'``; what follows is the
protocol of ``protocol.py``, one question at a time. What ejabberd's service manager adds to that
(a private /tmp, no /home, a system-call filter) is not done here.
"""

import contextlib
import os
import secrets
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from types import TracebackType
from typing import Self

from extauth_http.check.account import Account
from extauth_http.check.finding import Finding, broken, good, warning
from extauth_http.check.login import Login
from extauth_http.command import Command, Operation
from extauth_http.protocol import packet

GIVES_UP = 30.0
"""Seconds that ejabberd waits for an answer."""

QUIET = 0.2
"""Seconds in which nothing must come that was not asked for."""

END = 3.0
"""Seconds in which the program has to end after its input did."""

ROUNDS = 5
SLOW = 8.0
STARTS = {126: "it may not be run", 127: "it, or what it names, is not there"}


@dataclass(frozen=True, slots=True)
class Seen:
    """What a program did; ``latency`` is the median of its answers in seconds, if it gave any."""

    findings: tuple[Finding, ...]
    latency: float | None = None


def watch(line: str, host: str, account: Account, login: Login | None) -> Seen:
    """Starts the ``extauth_program`` line for a host and asks it about somebody made up, and about
    ``login`` where it is of this host."""
    times: list[float] = []
    findings: list[Finding] = []
    with _Member(line, account, login) as member:
        try:
            for finding in _conversation(member, host, login, times):
                findings.append(finding)  # noqa: PERF402 - what came before a failure is kept
        except _Failed as failed:
            findings.append(failed.finding)
    return Seen(tuple(findings), median(times[1:]) if len(times) > 1 else None)


class _Failed(Exception):  # noqa: N818 - it carries what was found
    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.id)
        self.finding = finding


def _conversation(
    member: "_Member", host: str, login: Login | None, times: list[float]
) -> Iterator[Finding]:
    nobody = f"extauth-check-{secrets.token_hex(4)}"
    exists = Command(Operation.ISUSER, nobody, host)
    said = 0
    for _ in range(1 + ROUNDS):
        began = time.monotonic()
        said = member.ask(exists)
        times.append(time.monotonic() - began)
    yield good(
        "program-answers",
        f"extauth_program answers {times[0] * 1000:.0f} ms after its start, then in "
        f"{median(times[1:]) * 1000:.1f} ms (worst of {ROUNDS}: {max(times[1:]) * 1000:.1f} ms)",
        host=host,
    )
    if max(times) > SLOW:
        yield warning(
            "program-slow",
            f"extauth_program took {max(times):.1f} s for an answer; ejabberd gives up after "
            f"{GIVES_UP:.0f} s, the time in the queue included",
            host=host,
        )
    if said == 1:
        yield warning(
            "program-knows-everybody",
            "extauth_program says that a made-up user exists: ejabberd then stores messages for "
            "anybody, and registers nobody",
            host=host,
        )
    elif said != 0:
        yield _undecided(said, exists, member)
    guess = Command(Operation.AUTH, nobody, host, secrets.token_urlsafe(16))
    said = member.ask(guess)
    if said == 1:
        yield broken(
            "program-lets-everyone-in",
            "extauth_program lets a made-up user in with a random password: it lets everyone in",
            host=host,
        )
    elif said == 0:
        yield good(
            "program-refuses",
            "extauth_program refuses a made-up user with a random password",
            host=host,
        )
    else:
        yield _undecided(said, guess, member)
    if login and login.host == host:
        yield from _log_in(member, login)
    yield from _end(member, host)


def _log_in(member: "_Member", login: Login) -> Iterator[Finding]:
    for operation in (Operation.AUTH, Operation.ISUSER):
        credential = login.password if operation.has_credential else ""
        command = Command(operation, login.user, login.host, credential)
        asked = f"{operation.value}:{login.user}:{login.host}" + (":********" * bool(credential))
        said = member.ask(command)
        if said == 1:
            yield good("program-user", f"extauth_program says yes to {asked}", host=login.host)
        elif said == 0:
            yield broken(
                "program-user-refused", f"extauth_program says no to {asked}", host=login.host
            )
        else:
            yield _undecided(said, command, member)


def _undecided(said: int, command: Command, member: "_Member") -> Finding:
    return broken(
        "program-undecided",
        f"extauth_program answers {command.operation.value} with {said}: nobody can tell whether "
        "the user may come in; its log says why",
        host=command.host,
        details=member.complaints(),
    )


def _end(member: "_Member", host: str) -> Iterator[Finding]:
    member.listen_for_stray_output(host)
    took = member.end_of_input()
    if took is None:
        yield broken(
            "program-stays",
            f"extauth_program still runs {END:.0f} s after its input ended: each time that "
            "ejabberd restarts it, one stays behind as an orphan",
            host=host,
        )
    else:
        yield good(
            "program-ends",
            f"extauth_program ends {took * 1000:.0f} ms after its input, and wrote nothing unasked",
            host=host,
        )


class _Member:
    """One pool member, from ``with`` to its end."""

    def __init__(self, line: str, account: Account, login: Login | None) -> None:
        self._account = account
        self._password = login.password if login else ""
        self._buffer = b""
        self._is_closed = False
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the member is
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {line}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            bufsize=0,
            cwd="/",
            env=account.environment,
            start_new_session=True,
            **account.identity,
        )
        assert self._process.stdin  # noqa: S101 - that is what PIPE gives
        assert self._process.stdout  # noqa: S101
        self._input = self._process.stdin
        self._output = self._process.stdout

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._input.close()
        self._output.close()
        self._errors.close()

    def ask(self, command: Command) -> int:
        """The number that it answers with. Raises _Failed where that is not what it does."""
        self._buffer += self._read(0.0)
        self._refuse_stray(command.host)
        with contextlib.suppress(BrokenPipeError):
            self._input.write(packet(command))
        due = time.monotonic() + GIVES_UP
        while len(self._buffer) < 4 and time.monotonic() < due and not self._is_closed:
            self._buffer += self._read(due - time.monotonic())
        if self._buffer and not b"\x00\x02".startswith(self._buffer[:2]):
            self._buffer += self._read(QUIET)
            self._refuse_stray(command.host)
        if len(self._buffer) < 4:
            raise _Failed(self._gone(command) if self._is_closed else self._silent(command))
        answer, self._buffer = self._buffer[:4], self._buffer[4:]
        return int.from_bytes(answer[2:])

    def listen_for_stray_output(self, host: str) -> None:
        self._buffer += self._read(QUIET)
        self._refuse_stray(host)

    def end_of_input(self) -> float | None:
        """Ends its input. Gives the seconds until it ended, None where it does not."""
        began = time.monotonic()
        self._input.close()
        try:
            self._process.wait(END)
        except subprocess.TimeoutExpired:
            return None
        return time.monotonic() - began

    def complaints(self) -> tuple[str, ...]:
        """The last lines that it wrote to standard error."""
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, size - 4096))
        text = self._masked(self._errors.read())
        self._errors.seek(0, os.SEEK_END)
        return tuple(line for line in text.splitlines() if line.strip())[-5:]

    def _masked(self, output: bytes) -> str:
        text = output[:4096].decode(errors="replace")
        return text.replace(self._password, "********") if self._password else text

    def _read(self, seconds: float) -> bytes:
        """What comes within the time, as soon as anything comes."""
        ready, _, _ = select.select([self._output], [], [], max(0.0, seconds))
        read = os.read(self._output.fileno(), 65536) if ready else b""
        self._is_closed = self._is_closed or bool(ready and not read)
        return read

    def _refuse_stray(self, host: str) -> None:
        if not self._buffer:
            return
        shown = self._masked(self._buffer[:200])
        raise _Failed(
            broken(
                "program-stray-output",
                "extauth_program writes more than answers to standard output, and ejabberd takes "
                f"it for answers, so logins are decided at random; it wrote {shown!r}",
                host=host,
                details=("what it has to tell belongs on standard error, or into a file",),
            )
        )

    def _gone(self, command: Command) -> Finding:
        try:
            code = self._process.wait(QUIET)
        except subprocess.TimeoutExpired:
            said = "closed its standard output"
        else:
            said = f"ended with exit code {code}"
            if code < 0:
                said = f"was ended by {signal.Signals(-code).name}"
            if code in STARTS:
                said += f" ({STARTS[code]})"
        return broken(
            "program-exits",
            f"extauth_program {said} instead of answering {command.operation.value}; where it "
            "cannot be started again at once, ejabberd gives up on it and all logins fail until "
            f"ejabberd is restarted (it ran as {self._account.runs_as})",
            host=command.host,
            details=self.complaints(),
        )

    def _silent(self, command: Command) -> Finding:
        return broken(
            "program-silent",
            f"extauth_program gave no answer to {command.operation.value} in {GIVES_UP:.0f} s: it "
            "does not read its input, or its output stays in a buffer that nobody flushes",
            host=command.host,
            details=self.complaints(),
        )
