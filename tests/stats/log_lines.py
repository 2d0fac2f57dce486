"""Lines of a log."""

import json
from typing import Any

from extauth_http.stats.report import LogReport

ANSWER: dict[str, Any] = {
    "pid": 7,
    "operation": "auth",
    "user": "alice",
    "host": "example.org",
    "verdict": "allow",
    "reason": "allowed",
    "backend": "rest",
    "status": 200,
    "ms": 10.0,
    "request": "0011223344556677",
    "event": "answer",
    "level": "info",
    "time": "2026-05-01T08:00:00.000000Z",
}
DENIED = {"verdict": "deny", "reason": "denied"}
LATE = {"verdict": "undecided", "reason": "deadline"}
TIME = 1_777_622_400.0
"""The time of ``ANSWER``."""


def line(**fields: Any) -> bytes:
    return json.dumps({**ANSWER, **fields}).encode() + b"\n"


def clock(second: float) -> str:
    return f"2026-05-01T08:{int(second // 60):02}:{second % 60:09.6f}Z"


def report_of(*lines: bytes, **options: Any) -> dict[str, Any]:
    report = LogReport(**options)
    for raw in lines:
        report.add_line(raw)
    return report.as_json()
