"""``define_macro`` and ``define_keyword``.

Rules, verified on ejabberd 23.01, 24.12 and 26.07: a macro counts wherever a value is, but not as
a key and not as the name of an included file. Within a longer text it is ``@NAME@``: on 26.07, and
not yet on 23.01 and 24.12 (since 25.03, according to its changelog). A host's own
``define_keyword`` does not change ``extauth_program``.
"""

from typing import Any

from extauth_http.check.ejabberd_yml.yaml_values import EjabberdYmlError, Options, Value
from extauth_http.ejabberd_api.releases import Release

FIRST_IN_TEXTS = Release(25, 3)
"""The first release that replaces ``@NAME@`` within a text."""

MAX_DEPTH = 20
"""Macros that refer to one another."""


def substitute(options: Options, release: Release | None = None) -> Options:
    """The options with each macro replaced by its value, without the definitions. If the release
    is unknown, it counts as the newest one.

    Raises EjabberdYmlError for a macro that refers to itself.
    """
    rest = dict(options)
    macros: Options = {}
    for name in ("define_macro", "define_keyword"):
        macros |= dict(rest.pop(name, Value({}, "")).items())
    in_texts = macros if release is None or release >= FIRST_IN_TEXTS else {}
    return {key: _substitute(value, macros, in_texts) for key, value in rest.items()}


def _substitute(value: Value, macros: Options, in_texts: Options, depth: int = 0) -> Value:
    if depth > MAX_DEPTH:
        raise EjabberdYmlError("a macro refers to itself", value.where)
    inner = value.value
    if isinstance(inner, dict):
        result: Any = {
            key: _substitute(each, macros, in_texts, depth) for key, each in inner.items()
        }
    elif isinstance(inner, list):
        result = [_substitute(each, macros, in_texts, depth) for each in inner]
    elif isinstance(inner, str) and inner in macros:
        result = _substitute(macros[inner], macros, in_texts, depth + 1).value
    elif isinstance(inner, str) and "@" in inner:
        result = _substitute_in_text(inner, in_texts)
    else:
        return value
    return Value(result, value.where)


def _substitute_in_text(text: str, macros: Options) -> str:
    for name, value in macros.items():
        if isinstance(value.value, str):
            text = text.replace(f"@{name}@", value.value)
    return text
