import pytest

from tests.logged_words import Sink, UnknownWordError, logged_words

SINKS = {Sink("event", 1, "name")}


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ('log.event("info", "one")', {"one"}),
        ('log.event("info", name="one")', {"one"}),
        ('log.event("info", "one" if first else "two")', {"one", "two"}),
        ('log.event("info", f"http_{status}")', {"http_…"}),
        ('log.event("info", "http_401")', {"http_…"}),
        ('def f():\n    name = "one"\n    log.event("info", name)', {"one"}),
        (
            'def f():\n    name: str = "one" if x else "2"\n    log.event("info", name)',
            {"one", "2"},
        ),
        ('WORD = "one"\ndef f():\n    log.event("info", WORD)', {"one"}),
        ('WORDS = {1: "one", 2: "two"}\nlog.event("info", WORDS[key])', {"one", "two"}),
        ('for name in ("one", "two"):\n    log.event("info", name)', {"one", "two"}),
        (
            'def events():\n    name = "one"\n'
            '    return [("info", name, {}), ("error", "two", {})]\n'
            "def f():\n    for level, name, fields in events():\n        log.event(level, name)",
            {"one", "two"},
        ),
        (
            'D = {A: ("one", 1), B: ("two", 2)}\nfor key, (name, number) in D.items():\n'
            '    log.event("info", name)',
            {"one", "two"},
        ),
        ('def _warn(name):\n    log.event("warning", name)\nself._warn("one")', {"one"}),
        (
            'class C:\n    def warn(self, text, name):\n        log.event("warning", name)\n'
            'c.warn("", "one")\nc.warn(name="two", text="")',
            {"one", "two"},
        ),
        ('Port(warn=lambda name: log.event("warning", name))\nself._warn("one")', {"one"}),
        ('log.event("info")', set()),
        ('log.event("info", error.reason)', set()),
    ],
)
def test_a_word_is_found_however_it_is_passed(source: str, words: set[str]) -> None:
    assert logged_words({"file.py": source}, SINKS) == words


def test_a_word_is_found_across_files() -> None:
    sources = {
        "log.py": 'def warn(name):\n    log.event("warning", name)',
        "port.py": 'warn("one")',
    }
    assert logged_words(sources, SINKS) == {"one"}


@pytest.mark.parametrize(
    "argument", ["unknown", "make_name()", 'prefix + "one"', "event.name", "names[0].lower()"]
)
def test_a_word_that_cannot_be_read_is_an_error(argument: str) -> None:
    with pytest.raises(UnknownWordError, match=r"file\.py:2: cannot follow"):
        logged_words({"file.py": f'\nlog.event("info", {argument})'}, SINKS)
