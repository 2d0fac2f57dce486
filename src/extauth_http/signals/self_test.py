"""``extauth-http signals test``: one event through the running service, with each step reported.

The event is a logout token, signed with a key that exists for this test only. The service accepts
it because its public part is in the queue, which only the service's account can write to.
"""

import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from extauth_http.admin.output import Output
from extauth_http.ejabberd_api.polling import wait_until
from extauth_http.http import transport
from extauth_http.http.failure import failure_of
from extauth_http.protocol.jid import Jid
from extauth_http.signals.logout_token import LOGOUT_EVENT
from extauth_http.signals.queue import Queue
from extauth_http.signals.queue_entry import Entry, State
from extauth_http.signals.self_test_keys import TEST_AUDIENCE, TEST_ISSUER, TEST_SECONDS
from extauth_http.signals.settings import SignalsSettings, load_signals

REQUEST_TIMEOUT = 5.0  # seconds
POLL_INTERVAL = 0.05  # seconds


class TestStep(NamedTuple):
    """A step and its result."""

    name: str
    is_good: bool
    message: str


class SelfTestError(Exception):
    """A step that failed; the steps after it make no sense."""


def run(config: Path | None, jid: Jid, *, timeout: float, as_json: bool) -> int:
    """Sends the event and prints the steps. Returns 0 if all are good, otherwise 1.

    Raises ConfigError and QueueError.
    """
    settings, _ = load_signals(config)
    queue = Queue(settings.queue, busy_timeout=REQUEST_TIMEOUT, create=False)
    steps: list[TestStep] = []
    output = Output(as_json=as_json)

    def report(step: TestStep) -> None:
        steps.append(step)
        if not as_json:
            output.result(f"{'✔' if step.is_good else '✘'} {step.name}: {step.message}", {})

    try:
        _test(settings, queue, jid, timeout, report)
    except SelfTestError:
        pass
    finally:
        queue.close()
    if as_json:
        output.result("", {"user": str(jid), "steps": [step._asdict() for step in steps]})
    return 0 if all(step.is_good for step in steps) else 1


def _test(
    settings: SignalsSettings,
    queue: Queue,
    jid: Jid,
    timeout: float,
    report: Callable[[TestStep], None],
) -> None:
    with _step("service", report) as done, _client(settings) as http:
        response = http.get("/healthz")
        if response.status_code != httpx.codes.OK:
            raise SelfTestError(response.text)
        done(f"it answers at {http.base_url}")
    with _step("key", report) as done:
        key = ec.generate_private_key(ec.SECP256R1())
        name = secrets.token_hex(4)
        public = jwt.get_algorithm_by_name("ES256").to_jwk(key.public_key(), as_dict=True)
        public = {**public, "kid": name}
        queue.save_test_key(
            TEST_ISSUER,
            json.dumps({"keys": [public], "host": jid.host}),
            time.time() + TEST_SECONDS,
        )
        done("made for this test, valid for a minute")
    identity = secrets.token_hex(8)
    try:
        with _step("verification", report) as done, _client(settings) as http:
            token = jwt.encode(
                _claims(jid, identity), key, "ES256", {"typ": "logout+jwt", "kid": name}
            )
            sent = time.monotonic()
            response = http.post("/backchannel-logout", data={"logout_token": token})
            if response.status_code != httpx.codes.OK:
                raise SelfTestError(f"status {response.status_code}: {response.text[:300]}")
            done(f"status 200 after {_milliseconds(sent)}")
    finally:
        queue.forget_test_key(TEST_ISSUER)
    with _step("sessions", report) as done:
        done(_wait(queue, jid, sent, timeout))


def _claims(jid: Jid, identity: str) -> dict[str, object]:
    now = int(time.time())
    return {
        "iss": TEST_ISSUER,
        "aud": TEST_AUDIENCE,
        "sub": jid.user,
        "iat": now,
        "exp": now + int(TEST_SECONDS),
        "jti": identity,
        "events": {LOGOUT_EVENT: {}},
    }


def _wait(queue: Queue, jid: Jid, sent: float, timeout: float) -> str:
    """Waits for the end of the event and returns its result."""
    found: Entry | None = None

    def is_finished() -> bool:
        nonlocal found
        found = next(
            (
                entry
                for entry in reversed(queue.entries(*State))
                if entry.event.sender == TEST_ISSUER
                and str(entry.event.subject) == str(jid)
                and entry.event.received >= started
            ),
            None,
        )
        return found is not None and found.state is not State.WAITING

    started = time.time() - (time.monotonic() - sent) - 1.0
    if wait_until(is_finished, interval=POLL_INTERVAL, timeout=timeout) and found:
        if found.state is State.DONE:
            return f"done after {_milliseconds(sent)}: {found.message}"
        raise SelfTestError(f"given up: {found.message}")
    last = f": {found.message}" if found and found.message else ""
    raise SelfTestError(f"not done after {timeout:g} s{last}; see extauth-http signals status")


@contextmanager
def _step(name: str, report: Callable[[TestStep], None]) -> Iterator[Callable[[str], None]]:
    """Reports a step when its block ends. Raises SelfTestError if the block failed."""
    messages: list[str] = []
    try:
        yield messages.append
    except SelfTestError as error:
        report(TestStep(name, False, str(error)))
        raise
    except httpx.HTTPError as error:
        failure = failure_of(error)
        detail = f"{failure.reason}: {failure.detail}" if failure else type(error).__name__
        report(TestStep(name, False, f"no usable response ({detail})"))
        raise SelfTestError from None
    report(TestStep(name, True, "; ".join(messages)))


def _client(settings: SignalsSettings) -> httpx.Client:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.listen.host, settings.listen.host)  # noqa: S104
    place = f"[{host}]" if ":" in host else host
    return transport.client(
        timeout=REQUEST_TIMEOUT, base_url=f"http://{place}:{settings.listen.port}"
    )


def _milliseconds(since: float) -> str:
    return f"{(time.monotonic() - since) * 1000:.0f} ms"
