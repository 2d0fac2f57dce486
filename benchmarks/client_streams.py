"""Clients that log in over plain XML streams at random times: SASL PLAIN, bind, and the end.

``python -m benchmarks.client_streams PORT CLIENTS SECONDS PAUSE SHARE`` prints one JSON object per
client. The clients have a process of their own, so that they do not wait for what they measure.
"""

import asyncio
import base64
import contextlib
import json
import random
import subprocess
import sys
import time
from dataclasses import asdict, dataclass

OPENING = (
    b"<stream:stream to='example.org' version='1.0' xmlns='jabber:client' "
    b"xmlns:stream='http://etherx.jabber.org/streams'>"
)
BIND = b"<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"
RIGHT, WRONG = "secret", "wrong"
LIMIT = 60.0
"""Seconds after which a client without an answer gives up: twice as long as ejabberd waits."""


@dataclass(frozen=True, slots=True)
class Login:
    """The result of one client."""

    is_right: bool
    """Whether it has the right password."""
    let_in: bool | None = None
    """None if there was no answer: the connection broke, or the client gave up."""
    seconds: float = 0.0
    """From the password to the answer."""
    ended: float = 0.0
    """From the start of all clients until this one was refused or had its session."""

    @property
    def is_wrong(self) -> bool:
        """Whether the answer does not agree with the password."""
        return self.let_in is not None and self.let_in != self.is_right


def run(
    port: int, clients: int, seconds: float, *, pause: float = 0.0, wrong_passwords: bool = False
) -> list[Login]:
    """Logs in ``clients`` clients at random times within ``seconds``; all at once if this is 0.

    Each client waits for ``pause`` seconds before it sends its password, and again before it
    leaves. With ``wrong_passwords``, every second client has a wrong password.
    """
    arguments = [str(port), str(clients), str(seconds), str(pause), "2" if wrong_passwords else "1"]
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.client_streams", *arguments],
        stdout=subprocess.PIPE,
        check=True,
    )
    return [Login(**each) for each in json.loads(ended.stdout)]


async def log_in(
    port: int, user: str, is_right: bool, start: float, at: float, pause: float
) -> Login:
    """Opens a stream, sends the password at the time ``at`` and leaves after the pause."""
    try:
        async with asyncio.timeout(LIMIT):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            with contextlib.closing(writer):
                writer.write(OPENING)
                await reader.readuntil(b"</stream:features>")
                await asyncio.sleep(at - time.monotonic())
                sent = time.monotonic()
                writer.write(_auth(user, RIGHT if is_right else WRONG))
                answer = await reader.readuntil(b">")
                seconds = time.monotonic() - sent
                if not answer.startswith(b"<success"):
                    return Login(is_right, False, seconds, time.monotonic() - start)
                writer.write(OPENING)
                await reader.readuntil(b"</stream:features>")
                writer.write(BIND)
                await reader.readuntil(b"</iq>")
                ended = time.monotonic() - start
                await asyncio.sleep(pause)
                return Login(is_right, True, seconds, ended)
    except (OSError, asyncio.IncompleteReadError):
        return Login(is_right)


def _auth(user: str, password: str) -> bytes:
    response = base64.b64encode(f"\0{user}\0{password}".encode())
    xmlns = b"urn:ietf:params:xml:ns:xmpp-sasl"
    return b"<auth xmlns='%b' mechanism='PLAIN'>%b</auth>" % (xmlns, response)


async def log_in_all(
    port: int, clients: int, seconds: float, pause: float, share: int
) -> list[Login]:
    """One of ``share`` clients has the right password."""
    numbers = random.Random(7)
    start = time.monotonic() + 1 + pause
    times = [start + numbers.uniform(0, seconds) for _ in range(clients)]

    async def client(number: int) -> Login:
        at = times[number]
        await asyncio.sleep(at - pause - time.monotonic())
        return await log_in(port, f"user{number}", number % share == 0, start, at, pause)

    return await asyncio.gather(*map(client, range(clients)))


if __name__ == "__main__":
    port, clients, seconds, pause, share = sys.argv[1:]
    logins = log_in_all(int(port), int(clients), float(seconds), float(pause), int(share))
    print(json.dumps([asdict(each) for each in asyncio.run(logins)]))
