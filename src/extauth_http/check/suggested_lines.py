"""Lines to copy: YAML for ejabberd.yml, and texts in TOML. Any value is quoted if it has to be."""

import json
import re
from collections.abc import Iterable

import yaml

_PLAIN = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)
_ESCAPE = "\\U{:08x}"
"""How YAML and TOML write any character in double quotes. JSON would need pairs of surrogates,
which ejabberd does not accept."""


def yaml_list(name: str, words: Iterable[str]) -> str:
    """The line of YAML that sets an option to a list of words."""
    return f"{name}: [{', '.join(map(_word, words))}]"


def yaml_quoted(name: str, value: object) -> str:
    """The line of YAML that sets an option to a value, its texts in double quotes."""
    return f"{name}: {_quoted(value)}"


def toml_text(text: str) -> str:
    """A text in TOML."""
    return _quoted(text)


def _word(word: str) -> str:
    is_plain = _PLAIN.fullmatch(word) and yaml.safe_load(word) == word
    return word if is_plain else _quoted(word)


def _quoted(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return "".join(each if each.isprintable() else _ESCAPE.format(ord(each)) for each in text)
