"""Clients that log in over plain XML streams at random times: SASL PLAIN, bind, and the end.

``python -m benchmarks.client_streams PORT CLIENTS SECONDS`` prints the seconds from the password to
its answer for each client, as JSON; null for a client that was refused. It has a process of its
own, so that it does not wait for what it measures.
"""

import asyncio
import base64
import json
import random
import sys
import time

OPENING = (
    b"<stream:stream to='example.org' version='1.0' xmlns='jabber:client' "
    b"xmlns:stream='http://etherx.jabber.org/streams'>"
)
BIND = b"<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"
SESSION_SECONDS = 1.0


async def log_in(port: int, user: str, at: float) -> float | None:
    """Opens a stream a second before ``at``, sends the password at this time, and stays for a
    second."""
    await asyncio.sleep(at - 1 - time.monotonic())
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(OPENING)
        await reader.readuntil(b"</stream:features>")
        await asyncio.sleep(at - time.monotonic())
        started = time.monotonic()
        response = base64.b64encode(f"\0{user}\0secret".encode())
        xmlns = b"urn:ietf:params:xml:ns:xmpp-sasl"
        writer.write(b"<auth xmlns='%b' mechanism='PLAIN'>%b</auth>" % (xmlns, response))
        answer = await reader.readuntil(b">")
        seconds = time.monotonic() - started
        if not answer.startswith(b"<success"):
            return None
        writer.write(OPENING)
        await reader.readuntil(b"</stream:features>")
        writer.write(BIND)
        await reader.readuntil(b"</iq>")
        await asyncio.sleep(SESSION_SECONDS)
        return seconds
    except asyncio.IncompleteReadError:
        return None
    finally:
        writer.close()


async def log_in_all(port: int, clients: int, seconds: float) -> list[float | None]:
    numbers = random.Random(7)
    start = time.monotonic() + 2
    times = [start + numbers.uniform(0, seconds) for _ in range(clients)]
    logins = (log_in(port, f"user{number}", at) for number, at in enumerate(times))
    return await asyncio.gather(*logins)


if __name__ == "__main__":
    print(
        json.dumps(asyncio.run(log_in_all(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))))
    )
