"""The queue: what it keeps, in which order, and what happens if it cannot."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from extauth_http.signals.events import Arrival, Event, Source, Subject, occurred_at, replay_key
from extauth_http.signals.queue import Queue, QueueError
from extauth_http.signals.queue_entry import Result, State
from tests.small_disk import small_disk

NOW = 1_000_000.0


def arrival(identity: str, user: str = "alice", at: float = NOW, key: str = "") -> Arrival:
    event = Event(identity, Source.WEBHOOK, "webhook", Subject("example.org", user), "left", at, at)
    return Arrival(event, replay_key(Source.WEBHOOK, "webhook", key or identity), at + 60)


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    with closing(Queue(tmp_path / "signals.db")) as queue:
        yield queue


def ids(queue: Queue, now: float = NOW, limit: int = 10) -> list[str]:
    return [entry.event.id for entry in queue.due(now, limit)]


def test_an_event_is_returned_as_it_was_added(queue: Queue) -> None:
    subject = Subject("example.org", None, {"sub": "0f3a"})
    event = Event("e1", Source.LOGOUT_TOKEN, "https://x", subject, "logout", NOW - 5, NOW)
    assert queue.add([Arrival(event, b"key", NOW + 60)]) == [True]
    (entry,) = queue.due(NOW, 10)
    assert entry.event == event
    assert (entry.state, entry.attempts, entry.notified) == (State.WAITING, 0, False)


def test_a_second_message_with_the_same_key_is_not_added(queue: Queue) -> None:
    assert queue.add([arrival("e1", key="k"), arrival("e2", key="k")]) == [True, False]
    assert queue.add([arrival("e3", key="k")]) == [False]
    assert ids(queue) == ["e1"]


def test_a_key_is_remembered_after_its_event_is_done_and_forgotten_when_its_time_is_over(
    queue: Queue,
) -> None:
    queue.add([arrival("e1")])
    queue.record([Result("e1", State.DONE, "")], NOW)
    queue.purge(NOW + 59, history=0)
    assert queue.add([arrival("e1")]) == [False]
    queue.purge(NOW + 61, history=0)
    assert queue.add([arrival("e1", at=NOW + 61)]) == [True]


def test_an_id_that_is_still_in_the_queue_does_not_prevent_the_commit_of_others(
    queue: Queue,
) -> None:
    queue.add([arrival("e1")])
    queue.purge(NOW + 61, history=0)
    assert queue.add([arrival("e1", at=NOW + 61), arrival("e2")]) == [False, True]


def test_the_event_that_is_due_for_longest_comes_first_and_only_if_it_is_due(queue: Queue) -> None:
    queue.add([arrival("new", at=NOW), arrival("old", at=NOW - 9), arrival("next", at=NOW + 9)])
    assert ids(queue) == ["old", "new"]
    assert [entry.event.id for entry in queue.due(NOW, 1, {"old"})] == ["new"]


def test_a_result_decides_when_an_event_is_due_again(queue: Queue) -> None:
    queue.add([arrival("e1")])
    queue.record([Result("e1", State.WAITING, "ejabberd refused", next_attempt=NOW + 8)], NOW)
    assert (ids(queue), ids(queue, NOW + 8)) == ([], ["e1"])
    entry = queue.entry("e1")
    assert entry
    assert (entry.attempts, entry.message) == (1, "ejabberd refused")


def test_a_name_that_was_found_and_a_notification_are_kept(queue: Queue) -> None:
    subject = Subject("example.org", None, {"sub": "0f3a"})
    event = Event("e1", Source.LOGOUT_TOKEN, "https://x", subject, "logout", NOW, NOW)
    queue.add([Arrival(event, b"key", NOW)])
    queue.record(
        [Result("e1", State.WAITING, "", NOW, counts=False, notified=True, user="alice")], NOW
    )
    queue.record([Result("e1", State.WAITING, "", NOW)], NOW)
    entry = queue.entry("e1")
    assert entry
    assert (entry.event.subject.user, entry.notified, entry.attempts) == ("alice", True, 1)


def test_a_result_does_not_revive_an_event_that_was_forgotten_or_done(queue: Queue) -> None:
    queue.add([arrival("e1"), arrival("e2")])
    assert queue.forget("e1") == 1
    queue.record([Result("e1", State.FAILED, ""), Result("e2", State.DONE, "")], NOW)
    queue.record([Result("e2", State.FAILED, "")], NOW)
    summary = queue.summary(NOW)
    assert (summary.waiting, summary.failed, summary.done) == (0, 0, 1)


def test_retry_makes_failed_events_due_with_their_full_time(queue: Queue) -> None:
    queue.add([arrival("e1"), arrival("e2")])
    queue.record([Result(each, State.FAILED, "no") for each in ("e1", "e2")], NOW)
    assert queue.retry("e1", NOW + 100) == 1
    assert ids(queue, NOW + 100) == ["e1"]
    assert queue.overdue(NOW + 99) == []
    assert queue.retry(None, NOW + 100) == 1
    assert queue.retry("unknown", NOW) == 0


def test_overdue_events_are_those_that_are_tried_for_too_long(queue: Queue) -> None:
    queue.add([arrival("old", at=NOW - 100), arrival("new")])
    assert [entry.event.id for entry in queue.overdue(NOW - 50)] == ["old"]


def test_done_events_are_shown_for_a_while_and_failed_ones_until_someone_decides(
    queue: Queue,
) -> None:
    queue.add([arrival("done"), arrival("failed")])
    queue.record([Result("done", State.DONE, ""), Result("failed", State.FAILED, "")], NOW)
    queue.purge(NOW + 10, history=20)
    assert len(queue.entries(*State)) == 2
    queue.purge(NOW + 30, history=20)
    assert [entry.event.id for entry in queue.entries(*State)] == ["failed"]


def test_the_summary_has_the_age_of_the_oldest_event_that_waits(queue: Queue) -> None:
    assert queue.summary(NOW).oldest == 0.0
    queue.add([arrival("e1", at=NOW - 30), arrival("e2")])
    assert queue.summary(NOW).oldest == 30.0


def test_the_file_is_for_the_account_of_the_service_only(tmp_path: Path) -> None:
    with closing(Queue(tmp_path / "signals.db")):
        modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    assert set(modes.values()) == {0o600}, modes


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    (tmp_path / "signals.db").symlink_to(target)
    with pytest.raises(QueueError, match="is a symbolic link, which is not followed"):
        Queue(tmp_path / "signals.db")
    assert not target.exists()


def test_a_commit_waits_for_the_disk(queue: Queue) -> None:
    assert queue._database.execute("PRAGMA synchronous").fetchone()[0] == 2
    assert queue._database.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


def test_a_process_that_is_killed_after_the_commit_loses_nothing(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from extauth_http.signals.queue import Queue\n"
        "from tests.signals.test_queue import arrival\n"
        "queue = Queue(Path(sys.argv[1]))\n"
        "queue.add([arrival(f'e{n}') for n in range(100)])\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    file = tmp_path / "signals.db"
    ended = subprocess.run([sys.executable, "-c", script, str(file)], check=False)
    assert ended.returncode == -9
    with closing(Queue(file)) as queue:
        assert len(queue.due(NOW, 1000)) == 100


def test_a_full_disk_is_an_error_that_leaves_the_queue_usable(tmp_path: Path) -> None:
    with small_disk(tmp_path, "256k") as disk:
        queue = Queue(disk / "signals.db")
        queue.add([arrival("e1")])
        (disk / "filler").write_bytes(b"x" * 20_000)
        many = [arrival(f"f{number}") for number in range(10_000)]
        with pytest.raises(QueueError, match="full"):
            queue.add(many)
        kept = queue.summary(NOW).waiting
        (disk / "filler").unlink()
        assert queue.add([arrival("e2")]) == [True]
        assert len(ids(queue, limit=100_000)) == kept + 1
        queue.close()


def test_another_process_that_holds_the_database_is_an_error_after_a_moment(
    tmp_path: Path,
) -> None:
    queue = Queue(tmp_path / "signals.db", busy_timeout=0.05)
    other = sqlite3.connect(tmp_path / "signals.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(QueueError, match="locked"):
        queue.add([arrival("e1")])
    other.execute("ROLLBACK")
    assert queue.add([arrival("e1")]) == [True]
    other.close()
    queue.close()


@pytest.mark.parametrize("content", [b"not a database at all, but text of some length" * 30])
def test_a_file_that_is_not_a_queue_is_an_error(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "signals.db"
    file.write_bytes(content)
    with pytest.raises(QueueError, match="not a database"):
        Queue(file)


def test_a_folder_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(QueueError, match="No such file"):
        Queue(tmp_path / "missing" / "signals.db")
    with pytest.raises(QueueError, match="creates it when it starts"):
        Queue(tmp_path / "signals.db", create=False)


def test_a_queue_of_another_version_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "signals.db"
    Queue(file).close()
    database = sqlite3.connect(file)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(QueueError, match="version 99"):
        Queue(file)


@pytest.mark.parametrize(
    ("claimed", "expected"),
    [
        pytest.param(NOW, NOW, id="at once"),
        pytest.param(NOW - 20, NOW, id="within the skew: a session must not survive it"),
        pytest.param(NOW - 600, NOW - 570, id="repeated later: newer sessions are left alone"),
        pytest.param(NOW + 20, NOW, id="never after the reception"),
    ],
)
def test_an_event_occurred_before_its_reception(claimed: float, expected: float) -> None:
    assert occurred_at(claimed, NOW, clock_skew=30) == expected
