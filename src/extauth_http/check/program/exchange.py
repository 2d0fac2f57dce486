"""One request to a pool member and its reply, or the finding that explains why there is none."""

import signal
import time
from dataclasses import dataclass

from extauth_http.check.account import Account
from extauth_http.check.finding import Finding, broken
from extauth_http.check.program.executable import start_problem
from extauth_http.check.program.pool_member import PoolMember
from extauth_http.protocol.command import Command
from extauth_http.protocol.limits import EJABBERD_TIMEOUT
from extauth_http.protocol.packet_parser import packet

SETTLE_TIME = 0.2
"""Seconds in which output that belongs to no request arrives."""

REPLY_HEADER = b"\x00\x02"
REPLY_LENGTH = 4

SHELL_CANNOT_START = (126, 127)
"""Exit codes of sh: not executable, not found (POSIX, Shell Command Language 2.8.2)."""


class ProbeError(Exception):
    """The probe cannot continue, because of ``finding``."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.id)
        self.finding = finding


@dataclass(frozen=True, slots=True)
class Reply:
    """``value`` is 1 for yes, 0 for no; any other number is undecided."""

    value: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Exchange:
    """Requests to one running member, one at a time."""

    member: PoolMember
    command_line: str
    host: str
    account: Account

    def request(self, command: Command) -> Reply:
        """Sends a command and waits for the reply as long as ejabberd does. Raises ProbeError."""
        member = self.member
        member.read(0.0)
        self.check_no_output()
        started = time.monotonic()
        due = started + EJABBERD_TIMEOUT
        member.write(packet(command), due)
        while len(member.output) < REPLY_LENGTH and time.monotonic() < due and not member.is_closed:
            member.read(min(SETTLE_TIME, due - time.monotonic()))
            if member.exit_code() is not None and not member.output:
                member.read(SETTLE_TIME)
                break
        seconds = time.monotonic() - started
        if not REPLY_HEADER.startswith(member.output[:2]):
            member.read(SETTLE_TIME)
            self.check_no_output()
        if len(member.output) < REPLY_LENGTH:
            raise ProbeError(self._no_reply(command.operation.value))
        reply, member.output = member.output[:REPLY_LENGTH], member.output[REPLY_LENGTH:]
        return Reply(int.from_bytes(reply[2:]), seconds)

    def check_no_output(self) -> None:
        """Raises ProbeError if there is output that belongs to no request."""
        output = self.member.output
        if not output:
            return
        raise ProbeError(
            broken(
                "program-stray-output",
                "extauth_program writes other data than replies to standard output. ejabberd reads "
                "it as replies, so the results of logins are random. It wrote "
                f"{self.member.describe(output)}",
                host=self.host,
                details=("write messages to standard error or to a file",),
            )
        )

    def _no_reply(self, operation: str) -> Finding:
        member = self.member
        code = member.exit_code(SETTLE_TIME if member.is_closed else 0.0)
        if code in SHELL_CANNOT_START:
            return self._not_started(code)
        if code is not None or member.is_closed:
            return self._exited(code, operation)
        if member.output:
            return broken(
                "program-half-answer",
                f"extauth_program replies to {operation} with {len(member.output)} bytes, "
                f"{member.describe(member.output)}. A reply has 4 bytes: 0, 2, 0, and 1 for yes or "
                "0 for no. ejabberd waits for the rest",
                host=self.host,
                details=member.error_lines(),
            )
        return broken(
            "program-silent",
            f"extauth_program did not reply to {operation} in {EJABBERD_TIMEOUT:.0f} s. Either it "
            "does not read its input, or it waits for something, or it does not flush its output",
            host=self.host,
            details=member.error_lines(),
        )

    def _not_started(self, code: int) -> Finding:
        reason, line = start_problem(self.command_line, self.account)
        return broken(
            "program-cannot-start",
            f"{self.account.runs_as} cannot start extauth_program (exit code {code} of the shell)"
            f"{': ' * bool(reason)}{reason}",
            line=line,
            host=self.host,
            details=self.member.error_lines(),
        )

    def _exited(self, code: int | None, operation: str) -> Finding:
        if code is None:
            event = "closed its standard output"
        elif code < 0:
            event = f"was ended by signal {-code} ({signal.strsignal(-code)})"
        else:
            event = f"ended with exit code {code}"
        if code is not None and not self.member.is_closed:
            event += " (a process that it started keeps its output open)"
        reason, line = start_problem(self.command_line, self.account)
        return broken(
            "program-exits",
            f"extauth_program {event} instead of a reply to {operation}. If it cannot start again "
            "at once, all logins fail until ejabberd is restarted. It ran as "
            f"{self.account.runs_as}{'. ' * bool(reason)}{reason}",
            line=line,
            host=self.host,
            details=self.member.error_lines(),
        )
