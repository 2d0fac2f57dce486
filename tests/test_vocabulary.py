"""The text of the project is in plain, current technical English."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("src", "docs", "examples", "benchmarks", "bin", "debian")
SUFFIXES = {".py", ".md", ".toml", ".yml", ".conf", ".replay", ".service", ".timer", ".lua", ""}
FILES = [
    *ROOT.glob("*.md"),
    *(
        file
        for folder in FOLDERS
        for file in (ROOT / folder).rglob("*")
        if file.is_file() and file.suffix in SUFFIXES
    ),
]
TEXTS = {str(file.relative_to(ROOT)): re.sub(r"\s+#?\s*", " ", file.read_text()) for file in FILES}

# Words that the project used in a sense of its own, or that readers with another first language may
# not know. The comment is what to write instead.
PATTERNS = (
    r"\b(is|are|was|were|be|been) told\b",  # receives, is notified
    r"\btells? (it|them|us|who|whom|what|whether|which|how|that)\b",  # says, reports
    r"\btold to go\b",  # shut down
    r"\bnobody (can|could) tell\b",  # undecided
    r"\bin so many words\b",  # explicit
    r"\bmend(s|ed|ing)?\b",  # fix, correct, repair
    r"\bheals?\b",  # works again
    r"\bunasked\b",  # not requested
    r"\bwhoever\b",  # the caller, a client that
    r"\blets? in whom\b",  # accepts a user that
    r"\bas (it|they) (has|have) to\b",  # as expected
    r"\bhas to bear\b",  # must have
    r"\bby hand\b",  # manually
    r"\b(is|are|was|were) passed over\b|\breads? past\b",  # is skipped, ignores
    r"\bwhat (stands|is) (here|there|behind|below)\b",  # the following
    r"\bwhat is said\b|\bis spoken\b|\bslip of the pen\b",  # message, typing error
    r"\bnot a command as ejabberd sends them\b",  # malformed packet
    r"\bsomething else than\b",  # is not a
    r"\bfor a person there (is|are)\b",
    r"\ba big pool for little\b",  # large pools
    r"\bthe watch\b",  # the watchdog
    r"\bunder way\b",  # in progress
    r"\banew\b|\bafresh\b",  # again
    r"\b(is|are) to be had\b|\bcan be had\b",  # is available
    r"\binto the void\b",
)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_no_text_contains_the_phrase(pattern: str) -> None:
    found = [
        f"{name}: {text[max(0, match.start() - 40) : match.end() + 30]}"
        for name, text in TEXTS.items()
        for match in re.finditer(pattern, text, re.IGNORECASE)
    ]
    assert found == []
