"""Rules that say which responses are a yes, a no, or a refusal of this program.

A rule holds if all of its conditions hold::

    allow = [ { status = 200, field = "results.code", equals = 200 } ]

Values are compared strictly: ``1`` is neither ``true`` nor ``"1"``. A response body that is not
JSON, or that two readers could read differently, has no fields.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BeforeValidator, model_validator

from extauth_http.config.section import Section
from extauth_http.protocol.verdict import UndecidedError

if TYPE_CHECKING:
    from extauth_http.http.response import Response

MISSING = object()
"""What ``find`` returns for a field that is not there."""

_CLASS = re.compile(r"[1-5]xx")
_CLASSES = ("2xx", "3xx", "4xx", "5xx")
_CLASS_OF = {number: f"{number}xx" for number in range(10)}


_UNREAD: Any = object()


class ResponseView:
    """What rules read of a response. The body is parsed once, and only if a rule reads it."""

    __slots__ = ("_document", "_response", "status")

    def __init__(self, response: "Response") -> None:
        self.status = response.status_code
        self._response = response
        self._document = _UNREAD

    @property
    def document(self) -> Any:
        """The JSON body; MISSING if the body is not JSON."""
        if self._document is _UNREAD:
            try:
                self._document = self._response.json()
            except UndecidedError:
                self._document = MISSING
        return self._document

    @property
    def text(self) -> bytes:
        """The whole body without white space around it."""
        return self._response.content.strip(b" \t\r\n")

    def header(self, name: str) -> str:
        """A header's value; empty if the header is missing."""
        return self._response.headers.get(name, "")

    def undecided(self) -> UndecidedError:
        """The error for a status that is neither a yes nor a no."""
        return self._response.undecided()


def _statuses(value: object) -> object:
    values = value if isinstance(value, list) else [value]
    for each in values:
        number = isinstance(each, int) and not isinstance(each, bool) and 100 <= each <= 599
        if not number and not (isinstance(each, str) and _CLASS.fullmatch(each)):
            raise ValueError('expected a status such as 200, a class such as "2xx", or a list')
    if not values:
        raise ValueError("expected at least one status")
    return tuple(values)


def _path(value: object) -> object:
    """``results.code`` → ``("results", "code")``; a list is taken as it is."""
    if isinstance(value, str):
        value = value.split(".")
    if not isinstance(value, list) or not value or not all(_is_name(each) for each in value):
        raise ValueError('expected a field such as "results.code", or a list of names and indexes')
    return tuple(value)


def _is_name(part: object) -> bool:
    is_index = isinstance(part, int) and not isinstance(part, bool) and part >= 0
    return is_index or (isinstance(part, str) and bool(part))


def _texts(value: object) -> object:
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(each, str) for each in values):
        raise ValueError("expected a text, or a list of texts")
    return tuple(values)


Statuses = Annotated[tuple[int | str, ...], BeforeValidator(_statuses)]
FieldPath = Annotated[tuple[str | int, ...], BeforeValidator(_path)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_texts)]


class Rule(Section):
    """One rule. Each key that is set is a condition."""

    status: Statuses | None = None
    """A number, a class such as ``"2xx"``, or a list of both."""
    field: FieldPath | None = None
    """A field of the JSON body: ``"results.code"``; a number is an index into an array."""
    header: str | None = None
    """A header of the response."""
    equals: Any = None
    """What ``field`` or ``header`` must be: a value, or a list of values."""
    present: Literal[True] | None = None
    """``true``: ``field`` or ``header`` must be there, whatever its value; not ``null``."""
    text: Texts | None = None
    """What the whole body must be, without white space around it: a text, or a list of texts."""

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("expected at least one condition: status, field, header or text")
        if self.field is not None and self.header is not None:
            raise ValueError("expected field or header, not both; write two rules for either")
        reads = self.field is not None or self.header is not None
        has_equals = "equals" in self.model_fields_set
        if reads and has_equals == (self.present is True):
            raise ValueError("expected equals = VALUE or present = true beside field or header")
        if not reads and (has_equals or self.present):
            raise ValueError("expected field or header beside equals or present")
        if (
            self.header is not None
            and has_equals
            and not all(isinstance(each, str) for each in _alternatives(self.equals))
        ):
            raise ValueError("equals: expected a text, because a header is a text")
        if has_equals and not all(
            isinstance(each, str | int | float | bool) for each in _alternatives(self.equals)
        ):
            raise ValueError("equals: expected a text, a number, true, false, or a list of these")
        if self.equals == []:
            raise ValueError("equals: expected at least one value")
        return self

    @property
    def texts(self) -> list[str]:
        """Each text that a response is compared with."""
        return [
            each
            for each in (*_alternatives(self.equals), *(self.text or ()))
            if isinstance(each, str)
        ]

    @property
    def depends_only_on_status(self) -> bool:
        """Whether nothing but the status decides whether the rule holds."""
        return self.field is None and self.header is None and self.text is None


def always_hold(rules: Sequence[Rule]) -> bool:
    """Whether, for each status from 200 to 599, one of the rules holds for every response."""
    statuses = [
        status for rule in rules if rule.depends_only_on_status for status in rule.status or ()
    ]
    return all(status_matches(statuses, status) for status in range(200, 600))


Condition = Callable[[ResponseView], bool]


class RuleSet:
    """The rules of one operation, in the order in which they are asked: ``refused``, ``deny``,
    ``allow``. They are compiled once, because every login asks them."""

    def __init__(
        self, refused: Sequence[Rule], deny: Sequence[Rule], allow: Sequence[Rule]
    ) -> None:
        self.lists: Mapping[str, Sequence[Rule]] = {
            "refused": refused,
            "deny": deny,
            "allow": allow,
        }
        self._compiled = [
            (name, rule, _all_statuses(rule.status), _conditions(rule))
            for name, rules in self.lists.items()
            for rule in rules
        ]

    def first(self, response: ResponseView) -> tuple[str, Rule] | None:
        """The name of the list and the rule that decides; None if no rule holds."""
        status = response.status
        for name, rule, statuses, conditions in self._compiled:
            if status not in statuses:
                continue
            for holds in conditions:
                if not holds(response):
                    break
            else:
                return name, rule
        return None


def _all_statuses(statuses: Sequence[int | str] | None) -> frozenset[int]:
    """Every status that fulfils the condition."""
    return frozenset(
        status for status in range(1000) if statuses is None or status_matches(statuses, status)
    )


def _conditions(rule: Rule) -> tuple[Condition, ...]:
    """The conditions of a rule besides its status."""
    conditions: list[Condition] = []
    if rule.text is not None:
        texts = frozenset(text.encode() for text in rule.text)
        conditions.append(lambda response: response.text in texts)
    if rule.field is not None:
        conditions.append(_field_condition(rule.field, rule))
    if rule.header is not None:
        header, matches = rule.header, _value_condition(rule)
        conditions.append(lambda response: matches(response.header(header) or MISSING))
    return tuple(conditions)


def _field_condition(path: Sequence[str | int], rule: Rule) -> Condition:
    expected, matches = rule.equals, _value_condition(rule)
    if len(path) > 1 or not isinstance(expected, bool):
        return lambda response: matches(find(response.document, path))
    name = str(path[0])

    def holds(response: ResponseView) -> bool:
        # The default rules are of this form, and every login asks them.
        document = response.document
        if isinstance(document, dict):
            return document.get(name) is expected
        return matches(find(document, path))

    return holds


def _value_condition(rule: Rule) -> Callable[[Any], bool]:
    if rule.present:
        return lambda found: found is not MISSING and found is not None
    expected = rule.equals
    if isinstance(expected, list):
        return lambda found: is_one_of(found, expected)
    return lambda found: strictly_equal(found, expected)


def status_matches(statuses: Sequence[int | str], status: int) -> bool:
    """Whether a status is one of some numbers and classes."""
    return status in statuses or _CLASS_OF[status // 100] in statuses


def find(document: Any, path: Sequence[str | int]) -> Any:
    """The value at a path in a JSON document, or MISSING."""
    for part in path:
        if isinstance(document, dict):
            document = document.get(str(part), MISSING)
        elif isinstance(document, list) and str(part).isdecimal() and int(part) < len(document):
            document = document[int(part)]
        else:
            return MISSING
    return document


def strictly_equal(one: Any, other: Any) -> bool:
    """Equality in which ``True`` is not ``1`` and ``1`` is not ``"1"``."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other
    return type(one) is type(other) and bool(one == other)


def is_one_of(found: Any, expected: Any) -> bool:
    return any(strictly_equal(found, each) for each in _alternatives(expected))


def _alternatives(expected: Any) -> list[Any]:
    return expected if isinstance(expected, list) else [expected]
