"""Which responses a rule holds for, and which rules are errors."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from extauth_http.backends.response_rules import ResponseView, Rule, RuleSet, always_hold
from extauth_http.backends.rule_explanation import failure
from extauth_http.http.response import Response


def rule_of(**table: Any) -> Rule:
    return Rule.model_validate(table)


def response(
    body: Any = None, status: int = 200, headers: dict[str, str] | None = None
) -> ResponseView:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    raw = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    return ResponseView(Response(status, raw, content))


CODE = {"results": {"code": 200}, "list": [{"ok": True}], "a.b": "dotted", "null": None}


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ({"status": 200}, True),
        ({"status": 201}, False),
        ({"status": "2xx"}, True),
        ({"status": ["3xx", 200]}, True),
        ({"status": ["3xx", 204]}, False),
        ({"field": "results.code", "equals": 200}, True),
        ({"field": "results.code", "equals": 200.0}, True),
        ({"field": "results.code", "equals": [1, 200]}, True),
        ({"field": "results.code", "equals": "200"}, False),
        ({"field": "results.code", "equals": True}, False),
        ({"field": "results.code", "present": True}, True),
        ({"field": "results.other", "present": True}, False),
        ({"field": "results.code.more", "present": True}, False),
        ({"field": "null", "present": True}, False),
        ({"field": "list.0.ok", "equals": True}, True),
        ({"field": ["list", 0, "ok"], "equals": True}, True),
        ({"field": "list.0.ok", "equals": 1}, False),
        ({"field": "list.1.ok", "present": True}, False),
        ({"field": ["a.b"], "equals": "dotted"}, True),
        ({"field": "a.b", "present": True}, False),
        ({"header": "X-State", "equals": "good"}, True),
        ({"header": "x-state", "equals": ["bad", "good"]}, True),
        ({"header": "X-State", "equals": "bad"}, False),
        ({"header": "X-State", "present": True}, True),
        ({"header": "X-Other", "present": True}, False),
        ({"status": 200, "field": "results.code", "equals": 200}, True),
        ({"status": 201, "field": "results.code", "equals": 200}, False),
        ({"status": 200, "field": "results.code", "equals": 404}, False),
    ],
)
def test_a_rule_holds_if_all_of_its_conditions_hold(rule: dict[str, Any], holds: bool) -> None:
    found = response(CODE, headers={"X-State": "good"})
    compiled = rule_of(**rule)
    assert (failure(compiled, found) == "") is holds
    assert (RuleSet((), (), (compiled,)).first(found) is not None) is holds


@pytest.mark.parametrize(
    ("value", "equal_to"),
    [(True, True), (False, False), (1, 1), (0, 0), ("1", "1"), ("true", "true"), ("", "")],
)
def test_values_are_compared_strictly(value: Any, equal_to: Any) -> None:
    others: list[Any] = [True, False, 1, 0, "1", "true", ""]
    found = response({"f": value})
    rules = [rule_of(field="f", equals=each) for each in others]
    holding = [rule.equals for rule in rules if not failure(rule, found)]
    assert [rule.equals for rule in rules if RuleSet((), (), [rule]).first(found)] == holding
    assert [(type(each), each) for each in holding] == [(type(equal_to), equal_to)]


@pytest.mark.parametrize(
    ("body", "holds"),
    [
        (b"OK", True),
        (b" OK\r\n", True),
        (b"YES", True),
        (b"ok", False),
        (b"OK and more", False),
        (b'"OK"', False),
        (b"\xff", False),
        ("\u2003OK".encode(), False),
        (b"", False),
    ],
)
def test_text_is_the_whole_body(body: bytes, holds: bool) -> None:
    compiled = rule_of(text=["OK", "YES"])
    assert (failure(compiled, response(body)) == "") is holds
    assert (RuleSet((), (), (compiled,)).first(response(body)) is not None) is holds


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"f": 1, "f": 1}',
        b'{"f": NaN}',
        b"\xff",
        b"[" * 50_000,
        b'\xef\xbb\xbf{"f": 1}',
    ],
)
def test_a_body_that_is_not_json_has_no_fields(body: bytes) -> None:
    assert failure(rule_of(field="f", present=True), response(body)) == "field f is missing"


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        ({}, "at least one condition"),
        ({"status": 99}, "expected a status such as 200"),
        ({"status": "6xx"}, "expected a status such as 200"),
        ({"status": True}, "expected a status such as 200"),
        ({"status": []}, "at least one status"),
        ({"field": "a"}, "equals = VALUE or present = true"),
        ({"field": "a", "equals": 1, "present": True}, "equals = VALUE or present = true"),
        ({"field": "a", "present": False}, "present"),
        ({"field": "a..b", "present": True}, "expected a field"),
        ({"field": [], "present": True}, "expected a field"),
        ({"field": "a", "header": "b", "present": True}, "field or header, not both"),
        ({"status": 200, "equals": 1}, "field or header beside equals"),
        ({"header": "a", "equals": 1}, "a header is a text"),
        ({"field": "a", "equals": []}, "at least one value"),
        ({"field": "a", "equals": {"b": 1}}, "expected a text, a number, true, false"),
        ({"text": 1}, "expected a text"),
        ({"colour": "red"}, "Extra inputs"),
    ],
)
def test_a_rule_that_cannot_mean_anything_is_an_error(rule: dict[str, Any], error: str) -> None:
    with pytest.raises(ValidationError, match=error):
        rule_of(**rule)


@pytest.mark.parametrize(
    ("rules", "always"),
    [
        ([{"status": ["2xx", "3xx", "4xx", "5xx"]}], True),
        ([{"status": "2xx"}, {"status": ["3xx", "4xx"]}, {"status": "5xx"}], True),
        ([{"status": ["2xx", "3xx", "4xx"]}, {"status": list(range(500, 600))}], True),
        ([{"status": ["2xx", "3xx", "4xx"]}, {"status": list(range(500, 599))}], False),
        ([{"status": ["2xx", "3xx", "4xx"]}], False),
        ([{"status": ["2xx", "3xx", "4xx", "5xx"], "text": "OK"}], False),
        ([{"status": "2xx"}, {"status": ["3xx", "4xx", "5xx"], "text": "OK"}], False),
        ([{"text": "OK"}], False),
        ([], False),
    ],
)
def test_rules_of_which_one_holds_for_every_response_are_recognised(
    rules: list[dict[str, Any]], always: bool
) -> None:
    assert always_hold([rule_of(**rule) for rule in rules]) is always


def test_refused_goes_before_deny_and_deny_before_allow() -> None:
    every = rule_of(status=200)
    rules = RuleSet((every,), (every,), (every,))
    assert [
        found and found[0]
        for found in (
            rules.first(response()),
            RuleSet((), (every,), (every,)).first(response()),
            RuleSet((), (), (every,)).first(response()),
            RuleSet((), (), ()).first(response()),
        )
    ] == ["refused", "deny", "allow", None]


def test_a_failure_names_the_condition_and_no_value_of_the_response() -> None:
    found = response({"token": "hunter2"}, headers={"X-Token": "hunter2"})
    failures = [
        failure(rule_of(**rule), found)
        for rule in (
            {"status": 404},
            {"field": "token", "equals": "x"},
            {"header": "X-Token", "equals": "x"},
            {"text": "x"},
        )
    ]
    assert all(failures)
    assert "hunter2" not in " ".join(failures)


@pytest.mark.parametrize("status", [100, 599, "1xx", [100, "5xx"]])
def test_a_status_is_a_number_from_100_to_599_or_a_class(status: Any) -> None:
    assert rule_of(status=status)


@pytest.mark.parametrize("status", [99, 600, True, "6xx", "20x", [], [200, 99]])
def test_another_status_is_an_error(status: Any) -> None:
    with pytest.raises(ValidationError):
        rule_of(status=status)


def test_a_truth_value_can_be_an_item_of_an_array() -> None:
    rule = rule_of(field="0", equals=True)
    assert RuleSet((), (), [rule]).first(response([True]))
    assert RuleSet((), (), [rule]).first(response([False])) is None
