"""``docs/operations.md`` lists each event and reason that the program logs, and no other."""

import re
from pathlib import Path

from tests.logged_words import LEVELS, Sink, logged_words

ROOT = Path(__file__).parent.parent
DOCUMENT = (ROOT / "docs" / "operations.md").read_text()
SOURCES = {str(file.relative_to(ROOT)): file.read_text() for file in (ROOT / "src").rglob("*.py")}
UNDECIDED = {Sink("UndecidedError", 0, "reason"), Sink("RequestFailedError", 0, "reason")}
DENIED = {Sink("MalformedPacketError", 0, "reason")}
REASONS = {*UNDECIDED, *DENIED, Sink("Answer", 1, "reason")}
EVENTS = {Sink("event", 1, "name")}
LOGGERS = {name: text for name, text in SOURCES.items() if "structlog" in text}
"""The files that pass events to structlog themselves."""

STRUCTLOG_EVENTS = {Sink(level, 0, "event") for level in LEVELS}


def listed(heading: str, end: str) -> list[str]:
    """The words in the first column of the tables between two headings."""
    _, found, after = DOCUMENT.partition(f"\n{heading}\n")
    assert found, heading
    tables, _, _ = after.partition(end)
    rows = [line.split(" | ")[0] for line in tables.splitlines() if line.startswith("| `")]
    return [word for row in rows for word in re.findall("`([^`]+)`", row)]


def test_the_page_lists_each_reason_that_the_source_has() -> None:
    reasons = logged_words(SOURCES, REASONS)
    assert {"http_…", "deadline", "not_utf8", "unsupported", "undecided", "expired"} <= reasons
    assert set(listed("## Reasons", "\n## ")) == reasons


def test_a_reason_is_listed_under_its_verdict() -> None:
    undecided = logged_words(SOURCES, UNDECIDED)
    assert "http_…" in undecided
    assert undecided <= set(listed("### UNDECIDED", "\n## "))
    denied = logged_words(SOURCES, DENIED) | {"http_…"}
    assert denied <= set(listed("### DENY", "\n### "))


def test_the_page_lists_each_event_that_the_source_has() -> None:
    events = logged_words(SOURCES, EVENTS) | logged_words(LOGGERS, STRUCTLOG_EVENTS)
    assert {"answer", "config_loaded", "config_warning", "input_cut_off", "not_counted"} <= events
    words = listed("## Events", "\n## ")
    assert set(words) == events
    assert len(words) == len(events)
