"""``docs/operations.md`` lists each word that the log can hold, and no other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from extauth_http.program.decider import _REASONS

ROOT = Path(__file__).parent.parent
DOCUMENT = (ROOT / "docs" / "operations.md").read_text()

REASONS = {
    "UndecidedError": 0,
    "RequestFailedError": 0,
    "MalformedPacketError": 0,
    "Answer": 1,
    "_no": 0,
}
EVENTS = {"event": 1, "warn": 0, "_warn": 0}
"""Which argument is the word, by what is called."""


def words(where: dict[str, int]) -> Iterator[str]:
    """The words that such calls have, all over the source; a status stands for all of them."""
    for file in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if len(node.args) > where.get(name, len(node.args)):
                match node.args[where[name]]:
                    case ast.Constant(value=str(word)):
                        yield "http_…" if word.startswith("http_") else word
                    case ast.JoinedStr(values=[ast.Constant(value=str(start)), *_]):
                        yield f"{start}…"


def test_each_reason_is_listed_with_what_it_means() -> None:
    reasons = {*words(REASONS), *_REASONS.values()}
    assert {"http_…", "deadline", "not_utf8", "unsupported"} <= reasons
    _, _, after = DOCUMENT.partition("## Reasons\n")
    tables, _, _ = after.partition("\n## ")
    rows = [line.split(" | ")[0] for line in tables.splitlines() if line.startswith("| `")]
    listed = {word for row in rows for word in re.findall("`([^`]+)`", row)}
    assert reasons == listed


def test_each_event_is_listed() -> None:
    events = set(words(EVENTS))
    assert {"input_cut_off", "accept_failed"} <= events
    beginning, _, _ = DOCUMENT.partition("## Reasons\n")
    assert {event for event in events if f"`{event}`" not in beginning} == set()
