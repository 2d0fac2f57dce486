"""``python -m benchmarks.signals_flood``: genuine events while somebody floods the service.

One process sends forged requests as fast as they are answered, over 32 connections. Meanwhile 100
genuine logout tokens are sent, one after the other. The table has the time to their answer and to
the end of the session, at a fake admin API that answers at once.
"""

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.admin.fake_ejabberd import FakeEjabberd
from tests.signals.running_service import Provider, SignalsService, wait_for
from tests.signals.tokens import rsa_key

CONNECTIONS = 32
GENUINE = 100
PAUSE = 0.02  # seconds between two genuine events


def forged(kind: str, provider: Provider) -> bytes:
    """A request that must be rejected, as bytes."""
    path, headers, body = "/revoke", ["Authorization: Bearer wrong"], '{"jid": "a@example.org"}'
    if kind in ("wrong signature", "unknown key"):
        with Provider(rsa_key("rsa-1" if kind == "wrong signature" else "unknown")) as other:
            other.issuer = provider.issuer
            body = f"logout_token={other.logout_token('alice')}"
        path, headers = "/backchannel-logout", ["Content-Type: application/x-www-form-urlencoded"]
    elif kind == "64 KiB of nothing":
        path, headers = "/events", ["Content-Type: application/secevent+jwt"]
        body = "x" * 65_536
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body.encode()


async def flood(port: int, request: bytes) -> None:
    """Sends a request again and again, and prints the number of answers each second."""
    answered = 0

    async def client() -> None:
        nonlocal answered
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                while True:
                    writer.write(request)
                    head = await reader.readuntil(b"\r\n\r\n")
                    length = head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
                    await reader.readexactly(int(length or 0))
                    answered += 1
            except (OSError, asyncio.IncompleteReadError):
                await asyncio.sleep(0.01)

    tasks = [asyncio.create_task(client()) for _ in range(CONNECTIONS)]
    while tasks:
        await asyncio.sleep(1)
        print(answered, flush=True)
        answered = 0


def measure(service: SignalsService, provider: Provider, ejabberd: FakeEjabberd) -> str:
    answers, ends = [], []
    for number in range(GENUINE):
        user = f"u{number}"
        ejabberd.sessions[f"{user}@example.org"] = ["x"]
        token = provider.logout_token(user)
        start = time.perf_counter()
        while (status := service.logout(token).status_code) == 503:
            time.sleep(0.05)
        assert status == 200, status
        answers.append(time.perf_counter() - start)
        wait_for(lambda user=user: f"{user}@example.org" not in ejabberd.sessions)  # type: ignore[misc]
        ends.append(time.perf_counter() - start)
        time.sleep(PAUSE)
    figures = [*_figures(answers), *_figures(ends)]
    return " | ".join(f"{seconds * 1000:.0f} ms" for seconds in figures)


def _figures(seconds: list[float]) -> tuple[float, float]:
    """Median and worst."""
    return statistics.median(seconds), max(seconds)


def main() -> None:
    print(
        "| flood | answered per second | answer, median | worst | session ended, median | worst |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for kind in ("none", "wrong bearer", "wrong signature", "unknown key", "64 KiB of nothing"):
        with (
            tempfile.TemporaryDirectory() as folder,
            FakeEjabberd() as ejabberd,
            Provider() as provider,
            SignalsService(Path(folder), ejabberd.url, provider.table()) as service,
        ):
            ejabberd.uptimes["x"] = 3600
            service.logout(provider.logout_token("first"))
            rate = "0"
            if kind == "none":
                row = measure(service, provider, ejabberd)
            else:
                request = Path(folder) / "request"
                request.write_bytes(forged(kind, provider))
                words = [sys.executable, "-m", __spec__.name, str(service.port), str(request)]
                with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
                    assert process.stdout
                    process.stdout.readline()
                    row = measure(service, provider, ejabberd)
                    process.terminate()
                    rates = [int(line) for line in process.stdout.read().split()]
                rate = f"{statistics.median(rates or [0]):,.0f}"
            print(f"| {kind} | {rate} | {row} |", flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        asyncio.run(flood(int(sys.argv[1]), Path(sys.argv[2]).read_bytes()))
    else:
        main()
