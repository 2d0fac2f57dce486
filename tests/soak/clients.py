"""The clients of the long run: ``python -m tests.soak.clients PORT LOGINS_PER_SECOND``.

Each client opens a plain XML stream, authenticates with SASL PLAIN, binds a resource and leaves.
Every second one has a wrong password. The same users have the right and the wrong ones, so an
answer that belongs to another login is found. Standard output gets one line of JSON per login.
"""

import asyncio
import base64
import dataclasses
import enum
import json
import sys
import time

from benchmarks.client_streams import BIND, OPENING

from tests.soak.service import password_of

USERS = 500
PATIENCE = 60.0
"""Seconds until a client gives up. ejabberd answers after 30 s at the latest."""

AUTH = b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%b</auth>"


class Result(enum.StrEnum):
    ADMITTED = "admitted"
    REFUSED = "refused"
    NO_ANSWER = "no answer"
    """The stream ended, or there was no answer in time."""


@dataclasses.dataclass(frozen=True)
class Login:
    """One login. Times are in seconds on the monotonic clock of the machine."""

    has_right_password: bool
    ended: float
    seconds: float
    """From the password to the answer."""
    result: Result
    detail: str = ""

    @property
    def is_wrong(self) -> bool:
        return self.result is Result.ADMITTED and not self.has_right_password

    @property
    def is_lost(self) -> bool:
        """A right password that was not admitted."""
        return self.has_right_password and self.result is not Result.ADMITTED


async def answer_of(port: int, user: str, password: str) -> tuple[Result, float, str]:
    """The result, the seconds of the answer, and more about a failure."""
    started = time.monotonic()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError as error:
        return Result.NO_ANSWER, time.monotonic() - started, repr(error)
    try:
        writer.write(OPENING)
        await reader.readuntil(b"</stream:features>")
        started = time.monotonic()
        writer.write(AUTH % base64.b64encode(f"\0{user}\0{password}".encode()))
        answer = await reader.readuntil(b">")
        seconds = time.monotonic() - started
        if not answer.startswith(b"<success"):
            condition = await reader.readuntil(b"</failure>")
            return Result.REFUSED, seconds, condition.decode()
        writer.write(OPENING)
        await reader.readuntil(b"</stream:features>")
        writer.write(BIND)
        await reader.readuntil(b"</iq>")
        writer.write(b"</stream:stream>")
        return Result.ADMITTED, seconds, ""
    except (asyncio.IncompleteReadError, OSError) as error:
        return Result.NO_ANSWER, time.monotonic() - started, repr(error)
    finally:
        writer.close()


async def log_in(port: int, number: int) -> None:
    """Logs in once and prints the result. An odd number has a wrong password."""
    has_right_password = number % 2 == 0
    user = f"user{number // 2 % USERS}"
    password = password_of(user) if has_right_password else f"not the {password_of(user)}"
    started = time.monotonic()
    try:
        async with asyncio.timeout(PATIENCE):
            result, seconds, detail = await answer_of(port, user, password)
    except TimeoutError:
        result, seconds, detail = Result.NO_ANSWER, time.monotonic() - started, "timeout"
    login = Login(has_right_password, time.monotonic(), seconds, result, detail)
    print(json.dumps(dataclasses.asdict(login)), flush=True)


async def log_in_all(port: int, rate: float) -> None:
    number = 0
    begin = time.monotonic()
    async with asyncio.TaskGroup() as clients:
        while True:
            clients.create_task(log_in(port, number))
            number += 1
            await asyncio.sleep(max(0.0, begin + number / rate - time.monotonic()))


if __name__ == "__main__":
    asyncio.run(log_in_all(int(sys.argv[1]), float(sys.argv[2])))
