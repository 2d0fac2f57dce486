"""Entries of a log."""

from extauth_http.stats.log_entries import AnswerEntry


def entry(
    time: float = 1000.0,
    *,
    host: str = "example.org",
    user: str = "alice",
    reason: str = "denied",
    ms: float = 10.0,
    pid: int = 1,
    queued: bool = False,
) -> AnswerEntry:
    return AnswerEntry(time, "auth", user, host, "rest", "deny", reason, ms, pid, queued)
