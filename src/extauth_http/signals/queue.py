"""The queue of events: an SQLite database that survives a crash of the process or the machine.

An event is committed, with its replay key, before its sender gets a 2xx response. It leaves the
state ``waiting`` only after its work is done, so a crash in between repeats the work. The work can
be repeated: it ends the same sessions again.
"""

import errno
import json
import os
import sqlite3
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from extauth_http.signals.events import Arrival
from extauth_http.signals.queue_entry import Entry, Result, State, Summary, entry_of

SCHEMA_VERSION = 1
SCHEMA = """\
CREATE TABLE events (
  id TEXT PRIMARY KEY,
  source TEXT NOT NULL,
  sender TEXT NOT NULL,
  host TEXT NOT NULL,
  user TEXT,
  identifiers TEXT NOT NULL,
  reason TEXT NOT NULL,
  occurred REAL NOT NULL,
  received REAL NOT NULL,
  state TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  next_attempt REAL NOT NULL,
  give_up_from REAL NOT NULL,
  notified INTEGER NOT NULL DEFAULT 0,
  message TEXT NOT NULL DEFAULT '',
  finished REAL
);
CREATE INDEX events_by_state ON events (state, next_attempt);
CREATE TABLE replays (key BLOB PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX replays_by_time ON replays (until);
CREATE TABLE issuer_keys (issuer TEXT PRIMARY KEY, jwks TEXT NOT NULL, fetched REAL NOT NULL);
CREATE TABLE test_keys (issuer TEXT PRIMARY KEY, jwks TEXT NOT NULL, until REAL NOT NULL);
PRAGMA user_version = 1;
"""


class QueueError(Exception):
    """The database cannot be opened, read or written. The text holds no data of an event."""


class Queue:
    """One connection to the database. Safe to use from several threads."""

    def __init__(self, file: Path, *, busy_timeout: float = 0.5, create: bool = True) -> None:
        """Opens the database, and creates it unless ``create`` is false. Raises QueueError.

        ``busy_timeout`` is the time in seconds to wait for another process.
        """
        self._lock = threading.Lock()
        if not create and not file.exists():
            raise QueueError(f"{file}: no such file; the service creates it when it starts")
        try:
            # Names of users are in it: for the account of the service only. A symbolic link is
            # not followed: an account that may write to the folder could choose the file.
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            os.close(os.open(file, flags, 0o600))
        except OSError as error:
            is_link = error.errno == errno.ELOOP
            why = "is a symbolic link, which is not followed" if is_link else error.strerror
            raise QueueError(f"{file}: cannot be opened: {why}") from None
        with _as_queue_error(file):
            self._database = sqlite3.connect(
                file, timeout=busy_timeout, isolation_level=None, check_same_thread=False
            )
            try:
                self._database.execute("PRAGMA journal_mode = WAL")
                self._database.execute("PRAGMA synchronous = FULL")
                self._create_tables()
            except BaseException:
                self._database.close()
                raise
        self._file = file

    def _create_tables(self) -> None:
        with self._transaction():
            version = self._database.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                for statement in SCHEMA.split(";\n"):
                    self._database.execute(statement)
            elif version != SCHEMA_VERSION:
                raise QueueError(f"the queue has version {version}, expected {SCHEMA_VERSION}")

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def add(self, arrivals: Sequence[Arrival]) -> list[bool]:
        """Commits events in one transaction, and returns whether each was new. Raises QueueError:
        then none of them is in the queue."""
        with self._transaction():
            return [self._add(arrival) for arrival in arrivals]

    def _add(self, arrival: Arrival) -> bool:
        event = arrival.event
        inserted = self._database.execute(
            "INSERT OR IGNORE INTO replays VALUES (?, ?)",
            (arrival.replay_key, arrival.replay_until),
        )
        if not inserted.rowcount:
            return False
        added = self._database.execute(
            # An entry that failed can be older than the memory for its replay key.
            "INSERT OR IGNORE INTO events (id, source, sender, host, user, identifiers, reason, "
            "occurred, received, state, next_attempt, give_up_from) "
            "VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
            (
                event.id,
                event.source.value,
                event.sender,
                event.subject.host,
                event.subject.user,
                json.dumps(dict(event.subject.identifiers)),
                event.reason,
                event.occurred,
                event.received,
                State.WAITING.value,
                event.received,
                event.received,
            ),
        )
        return bool(added.rowcount)

    def due(self, now: float, limit: int, exclude: Collection[str] = ()) -> list[Entry]:
        """At most ``limit`` waiting entries whose next attempt is due, the longest due first."""
        rows = self._read(
            "SELECT * FROM events WHERE state = 'waiting' AND next_attempt <= ? "
            "ORDER BY next_attempt LIMIT ?",
            (now, limit + len(exclude)),
        )
        return [entry for entry in map(entry_of, rows) if entry.event.id not in exclude][:limit]

    def overdue(self, before: float, exclude: Collection[str] = ()) -> list[Entry]:
        """The waiting entries that are tried since an earlier time than ``before``. Raises
        QueueError."""
        rows = self._read(
            "SELECT * FROM events WHERE state = 'waiting' AND give_up_from < ?", (before,)
        )
        return [entry for entry in map(entry_of, rows) if entry.event.id not in exclude]

    def record(self, results: Sequence[Result], now: float) -> None:
        """Commits the results of attempts in one transaction. Raises QueueError: then nothing was
        recorded."""
        with self._transaction():
            for result in results:
                self._database.execute(
                    "UPDATE events SET state = ?, message = ?, next_attempt = ?, "
                    "attempts = attempts + ?, notified = max(notified, ?), "
                    "user = coalesce(?, user), finished = ? WHERE id = ? AND state = 'waiting'",
                    (
                        result.state.value,
                        result.message,
                        result.next_attempt,
                        int(result.counts),
                        int(result.notified),
                        result.user,
                        None if result.state is State.WAITING else now,
                        result.id,
                    ),
                )

    def purge(self, now: float, history: float) -> None:
        """Deletes replay keys that are no longer needed, and entries that were done more than
        ``history`` seconds ago. Raises QueueError."""
        with self._transaction():
            self._database.execute("DELETE FROM replays WHERE until < ?", (now,))
            self._database.execute("DELETE FROM test_keys WHERE until < ?", (now,))
            self._database.execute(
                "DELETE FROM events WHERE state = 'done' AND finished < ?", (now - history,)
            )

    def summary(self, now: float) -> Summary:
        """Raises QueueError."""
        rows = self._read("SELECT state, count(*), min(received) FROM events GROUP BY state")
        count = {row[0]: row[1] for row in rows}
        oldest = next((row[2] for row in rows if row[0] == State.WAITING), now)
        return Summary(
            count.get(State.WAITING, 0),
            count.get(State.FAILED, 0),
            count.get(State.DONE, 0),
            max(0.0, now - oldest),
        )

    def entries(self, *states: State) -> list[Entry]:
        """The entries in these states, oldest first. Raises QueueError."""
        marks = ",".join("?" * len(states))
        rows = self._read(
            f"SELECT * FROM events WHERE state IN ({marks}) ORDER BY received",  # noqa: S608 - only question marks
            [state.value for state in states],
        )
        return [entry_of(row) for row in rows]

    def entry(self, identity: str) -> Entry | None:
        """The entry of an event; None if there is none. Raises QueueError."""
        rows = self._read("SELECT * FROM events WHERE id = ?", (identity,))
        return entry_of(rows[0]) if rows else None

    def retry(self, identity: str | None, now: float) -> int:
        """Makes a failed or waiting event due now, with its full time again; None: all failed
        ones. Returns how many. Raises QueueError."""
        which = "id = ? AND state != 'done'" if identity is not None else "state = 'failed'"
        with self._transaction():
            done = self._database.execute(
                "UPDATE events SET state = 'waiting', next_attempt = ?, give_up_from = ?, "  # noqa: S608 - constants
                f"finished = NULL WHERE {which}",
                (now, now, *([identity] if identity is not None else [])),
            )
            return done.rowcount

    def forget(self, identity: str) -> int:
        """Deletes an event. Its replay key stays. Returns how many. Raises QueueError."""
        with self._transaction():
            return self._database.execute("DELETE FROM events WHERE id = ?", (identity,)).rowcount

    def save_issuer_keys(self, issuer: str, jwks: str, fetched: float) -> None:
        """Keeps the JWK Set of an issuer for the next start. Raises QueueError."""
        with self._transaction():
            self._database.execute(
                "INSERT OR REPLACE INTO issuer_keys VALUES (?, ?, ?)", (issuer, jwks, fetched)
            )

    def issuer_keys(self, issuer: str) -> tuple[str, float] | None:
        """The JWK Set and the time of its retrieval; None if there is none. Raises QueueError."""
        rows = self._read("SELECT jwks, fetched FROM issuer_keys WHERE issuer = ?", (issuer,))
        return (rows[0][0], rows[0][1]) if rows else None

    def save_test_key(self, issuer: str, jwks: str, until: float) -> None:
        """Allows ``signals test`` to sign as ``issuer`` until then. Raises QueueError."""
        with self._transaction():
            self._database.execute(
                "INSERT OR REPLACE INTO test_keys VALUES (?, ?, ?)", (issuer, jwks, until)
            )

    def test_key(self, issuer: str, now: float) -> str | None:
        """The JWK Set that ``signals test`` saved, unless its time is over. Raises QueueError."""
        rows = self._read(
            "SELECT jwks FROM test_keys WHERE issuer = ? AND until > ?", (issuer, now)
        )
        return str(rows[0][0]) if rows else None

    def forget_test_key(self, issuer: str) -> None:
        """Raises QueueError."""
        with self._transaction():
            self._database.execute("DELETE FROM test_keys WHERE issuer = ?", (issuer,))

    def _read(self, query: str, values: Sequence[object] = ()) -> list[sqlite3.Row]:
        with self._lock, _as_queue_error():
            cursor = self._database.cursor()
            cursor.row_factory = sqlite3.Row
            return cursor.execute(query, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock, _as_queue_error():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                # SQLite has already rolled back after some errors, such as a full disk.
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise


@contextmanager
def _as_queue_error(file: Path | None = None) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        where = f"{file}: " if file else ""
        raise QueueError(f"{where}{error} ({name})") from None
