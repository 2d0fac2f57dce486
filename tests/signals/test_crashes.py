"""An event that was answered with 2xx is completed, wherever the process is killed."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.admin.fake_ejabberd import FakeEjabberd
from tests.signals.crashing_service import POINTS
from tests.signals.running_service import Provider, SignalsService, wait_for
from tests.small_disk import small_disk

ROOT = Path(__file__).parents[2]
ALICE, BOB = "alice@example.org", "bob@example.org"


@pytest.fixture
def ejabberd() -> Iterator[FakeEjabberd]:
    with FakeEjabberd() as server:
        server.sessions = {ALICE: ["phone", "desk"], BOB: ["pad"]}
        server.uptimes = dict.fromkeys(["phone", "desk", "pad"], 3600)
        yield server


@pytest.mark.parametrize("point", POINTS)
def test_an_event_survives_a_kill(
    tmp_path: Path, ejabberd: FakeEjabberd, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    text = 'notify = "Your access has ended."'
    with Provider() as provider, contextlib.ExitStack() as stack:
        service = SignalsService(tmp_path, ejabberd.url, provider.table(), text)
        crashing = (sys.executable, "-m", "tests.signals.crashing_service", point)
        service.start(*crashing)
        stack.push(service.__exit__)
        token = provider.logout_token("alice")
        status = 0
        with contextlib.suppress(httpx.TransportError):
            status = service.logout(token).status_code
        assert service.process.wait(30) == -signal.SIGKILL
        assert status in (0, 200)
        # The user logs in again, with a good credential.
        ejabberd.uptimes["tablet"] = -3600
        ejabberd.sessions[ALICE] = [*ejabberd.sessions.get(ALICE, []), "tablet"]
        service.start()
        if point == "before the commit":
            assert (status, service.entries()) == (0, [])
            status = service.logout(token).status_code
            assert status == 200
        elif status == 0:
            # A provider that repeats the token learns that it was received.
            assert service.logout(token).status_code == 400
        (entry,) = service.wait_until_done()
        assert ejabberd.sessions == {ALICE: ["tablet"], BOB: ["pad"]}
        assert str(entry.event.subject) == ALICE


def test_a_sender_gets_503_while_the_disk_is_full_and_no_accepted_event_is_lost(
    tmp_path: Path, ejabberd: FakeEjabberd
) -> None:
    with small_disk(tmp_path, "512k") as disk:
        service = SignalsService(tmp_path, ejabberd.url)
        text = service.config.read_text()
        service.queue_file = disk / "signals.db"
        service.config.write_text(
            text.replace(str(tmp_path / "signals.db"), str(disk / "signals.db"))
        )
        with service:
            service.revoke({"jid": BOB})
            service.wait_until_done()
            with contextlib.suppress(OSError):
                (disk / "filler").write_bytes(b"x" * 1_000_000)
            accepted, refused = _send_until_refused(service)
            response = service.revoke({"jid": ALICE, "id": refused})
            assert (response.status_code, response.headers["retry-after"]) == (503, "5")
            assert response.json()["error"] == "queue_unavailable"
            (disk / "filler").unlink()
            assert service.revoke({"jid": ALICE, "id": refused}).status_code == 202
            entries = service.wait_until_done(len(accepted) + 2)
            assert {*accepted, refused} <= {entry.event.id for entry in entries}
            assert ALICE not in ejabberd.sessions
            service.stop()


def _send_until_refused(service: SignalsService) -> tuple[list[str], str]:
    """The ids that were accepted, and the first that was not."""
    accepted: list[str] = []
    for number in range(5000):
        identity = f"e{number}"
        if service.revoke({"jid": f"u{number}@example.org", "id": identity}).status_code == 503:
            return accepted, identity
        accepted.append(identity)
    raise AssertionError("the disk is not full")


def test_ten_kills_in_a_row_lose_nothing(tmp_path: Path, ejabberd: FakeEjabberd) -> None:
    accepted: list[str] = []
    with SignalsService(tmp_path, ejabberd.url) as service:
        for number in range(10):
            for each in range(10):
                identity = f"e{number}-{each}"
                if service.revoke({"jid": ALICE, "id": identity}).status_code == 202:
                    accepted.append(identity)
            service.stop(signal.SIGKILL)
            service.start()
        entries = service.wait_until_done(len(accepted))
    assert {entry.event.id for entry in entries} == set(accepted)
    assert len(accepted) == 100
    assert ALICE not in ejabberd.sessions


def test_the_queue_is_usable_while_the_service_runs(tmp_path: Path, ejabberd: FakeEjabberd) -> None:
    """A commit of another process makes the service wait, not fail."""
    script = (
        "import sqlite3, sys, time\n"
        "database = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "database.execute('BEGIN IMMEDIATE')\n"
        "print('locked', flush=True)\n"
        "time.sleep(float(sys.argv[2]))\n"
        "database.execute('ROLLBACK')\n"
    )
    with SignalsService(tmp_path, ejabberd.url) as service:
        for seconds, expected in (("0.1", {202}), ("2", {503})):
            words = [sys.executable, "-c", script, str(service.queue_file), seconds]
            with subprocess.Popen(words, stdout=subprocess.PIPE) as other:
                assert other.stdout
                other.stdout.readline()
                assert {service.revoke({"jid": ALICE}).status_code} == expected
                other.wait()
        wait_for(lambda: service.revoke({"jid": ALICE}).status_code == 202, "an accepted event")
        service.wait_until_done(2)
