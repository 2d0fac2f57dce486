"""Which rule of ``rest`` decided, and why others did not hold, as text for people.

Of a response, small numbers, booleans and null are shown. A text or a large number may be a
credential.
"""

import json
from collections.abc import Iterator
from typing import Any

from extauth_http.backends.response_rules import (
    MISSING,
    ResponseView,
    Rule,
    RuleSet,
    find,
    is_one_of,
    status_matches,
)

MAX_SHOWN_NUMBER = 999
"""Codes of services are smaller; telephone numbers and one-time passwords are larger."""


def explain(rules: RuleSet, response: ResponseView) -> Iterator[str]:
    """The rule that decided. If none did: the rules about this status, and what they lack."""
    found = rules.first(response)
    if found:
        name, rule = found
        number = list(rules.lists[name]).index(rule) + 1
        yield f"rule {number} of {name} holds: {rule_text(rule)}"
        return
    close = [
        f"rule {number} of {name} does not hold: status {response.status} matches, "
        f"{failure(rule, response)}"
        for name, listed in rules.lists.items()
        for number, rule in enumerate(listed, 1)
        if rule.status is None or status_matches(rule.status, response.status)
    ]
    yield from close or [f"no rule is about status {response.status}"]


def rule_text(rule: Rule) -> str:
    """The rule as in the configuration."""
    keys = rule.model_dump(exclude_none=True, exclude_defaults=True)
    if rule.field is not None:
        keys["field"] = ".".join(map(str, rule.field))
    values = {
        key: list(value) if isinstance(value, tuple) else value for key, value in keys.items()
    }
    single = {
        key: value[0] if isinstance(value, list) and len(value) == 1 else value
        for key, value in values.items()
    }
    inner = ", ".join(
        f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in single.items()
    )
    return f"{{ {inner} }}"


def failure(rule: Rule, response: ResponseView) -> str:
    """The first condition that does not hold; empty if all do."""
    if rule.status is not None and not status_matches(rule.status, response.status):
        return f"status is {response.status}"
    if rule.field is not None and (why := _field_failure(rule, response)):
        return f"field {'.'.join(map(str, rule.field))} is {why}"
    if rule.header is not None:
        value = response.header(rule.header)
        if not value:
            return f"header {rule.header} is missing"
        if not rule.present and not is_one_of(value, rule.equals):
            return f"header {rule.header} is another text"
    if rule.text is not None and response.text not in {text.encode() for text in rule.text}:
        return "the body is another text"
    return ""


def _field_failure(rule: Rule, response: ResponseView) -> str:
    found = find(response.document, rule.field or ())
    if found is MISSING:
        return "missing"
    if rule.present:
        return "null" if found is None else ""
    return "" if is_one_of(found, rule.equals) else _shown(found)


def _shown(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int | float):
        return str(value) if abs(value) <= MAX_SHOWN_NUMBER else "another number"
    if isinstance(value, str):
        return "another text"
    return "an array" if isinstance(value, list) else "an object"
