"""``extauth-http signals`` as a process, a provider with keys, and requests of senders."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import httpx

from extauth_http.signals.queue import Queue
from extauth_http.signals.queue_entry import Entry, State
from tests.integration.service import Request, Service, http
from tests.signals.tokens import AUDIENCE, HOST, LOGOUT_EVENT, SigningKey, jwks, rsa_key

EXECUTABLE = Path(sys.executable).parent / "extauth-http"
ALICE, BOB = "alice@example.org", "bob@example.org"
BEARER = "a-bearer-token-of-the-webhook"
SECONDS = 30.0
"""How long a test waits for an event before it fails."""


def wait_for(condition: Callable[[], Any], what: str = "it", seconds: float = SECONDS) -> Any:
    """The first true value of a condition."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"{what} did not happen"
        time.sleep(0.02)
    return value


class Provider:
    """An OpenID provider: a discovery document, a JWK Set, and tokens signed with its keys."""

    def __init__(self, *keys: SigningKey) -> None:
        self.keys = list(keys or (rsa_key(),))
        self.service = Service(self._answer)
        self.issuer = self.service.url.removesuffix("/x")
        self.retrievals = 0

    def __enter__(self) -> Self:
        self.service.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.service.__exit__()

    def logout_token(self, user: str, typ: str = "logout+jwt", **changes: Any) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "sub": user,
            "iat": now,
            "exp": now + 120,
            "jti": f"{user}-{time.monotonic_ns()}",
            "events": {LOGOUT_EVENT: {}},
            **changes,
        }
        return self.keys[0].sign(claims, typ)

    def security_event(self, user: str, kind: str, **changes: Any) -> str:
        claims = {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "iat": int(time.time()),
            "jti": f"{user}-{time.monotonic_ns()}",
            "sub_id": {"format": "iss_sub", "iss": self.issuer, "sub": user},
            "events": {kind: {}},
            **changes,
        }
        return self.keys[0].sign(claims, "secevent+jwt")

    def table(self, more: str = "") -> str:
        """The ``[[signals.issuer]]`` table."""
        claim = "" if "claim" in more else 'claim = "sub"\n'
        return (
            f'[[signals.issuer]]\nissuer = "{self.issuer}"\naudience = "{AUDIENCE}"\n'
            f'host = "{HOST}"\n{claim}{more}\n'
        )

    def _answer(self, request: Request, connection: socket.socket) -> None:
        if request.target == "/.well-known/openid-configuration":
            document = {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/jwks"}
            connection.sendall(http(200, json.dumps(document)))
        elif request.target == "/jwks":
            self.retrievals += 1
            connection.sendall(http(200, jwks(*self.keys)))
        else:
            connection.sendall(http(404))


class SignalsService:
    """The service with a configuration. ``start`` and ``stop`` may be called again and again."""

    def __init__(self, folder: Path, api: str, issuers: str = "", signals: str = "") -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.queue_file = folder / "signals.db"
        self.log_file = folder / "signals-log"
        self.stderr = folder / "signals-stderr"
        self.config = folder / "signals.toml"
        self.config.write_text(
            f'[ejabberd]\napi = "{api}"\n'
            f'[signals]\nlisten = "127.0.0.1:{self.port}"\nqueue = "{self.queue_file}"\n{signals}\n'
            f'[signals.log]\nlevel = "debug"\nfile = "{self.log_file}"\n'
            f'[signals.webhook]\ntoken = "{BEARER}"\n{issuers}\n'
        )
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}", timeout=10.0, trust_env=False
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def start(self, *command: str, ready: bool = True) -> None:
        """Starts the process, and waits until it answers."""
        words = [*(command or (str(EXECUTABLE),)), "--config", str(self.config), "signals"]
        with self.stderr.open("ab") as stderr:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=stderr)
        if ready:
            wait_for(self.is_ready, "the start")

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.stderr.read_text()
        with contextlib.suppress(httpx.TransportError):
            return self.http.get("/healthz").status_code == httpx.codes.OK
        return False

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(SECONDS)

    def logout(self, token: str) -> httpx.Response:
        return self.http.post("/backchannel-logout", data={"logout_token": token})

    def security_event(self, token: str) -> httpx.Response:
        headers = {"Content-Type": "application/secevent+jwt"}
        return self.http.post("/events", content=token, headers=headers)

    def revoke(self, body: dict[str, Any], bearer: str = BEARER) -> httpx.Response:
        headers = {"Authorization": f"Bearer {bearer}"}
        return self.http.post("/revoke", json=body, headers=headers)

    def events(self, name: str = "") -> list[dict[str, Any]]:
        """The logged events, or those of one name."""
        if not self.log_file.exists():
            return []
        lines = [json.loads(line) for line in self.log_file.read_text().splitlines()]
        return [line for line in lines if name in ("", line["event"])]

    def entries(self) -> list[Entry]:
        queue = Queue(self.queue_file, busy_timeout=5.0, create=False)
        try:
            return queue.entries(*State)
        finally:
            queue.close()

    def wait_until_done(self, count: int = 1, seconds: float = SECONDS) -> list[Entry]:
        """The entries, as soon as so many are in the queue and each is done."""

        def done() -> list[Entry]:
            found = self.entries()
            is_done = all(entry.state is State.DONE for entry in found)
            return found if len(found) >= count and is_done else []

        found: list[Entry] = wait_for(done, f"the end of {count} events", seconds)
        return found

    def metric(self, name: str, **labels: str) -> float:
        """A number of ``/metrics``, for example ``done_total``."""
        text = self.http.get("/metrics").text
        inner = ",".join(f'{key}="{value}"' for key, value in labels.items())
        start = f"extauth_http_signals_{name}{'{' + inner + '}' if inner else ''} "
        return float(next(line for line in text.splitlines() if line.startswith(start)).split()[-1])
