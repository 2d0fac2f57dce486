"""Templates: which placeholders exist, what braces mean, and what is sent for a command."""

import pytest

from extauth_http.backends.placeholders import NAMES, Template, names_for, values_of
from extauth_http.protocol.command import Command, Operation

VALUES = {"user": "alice", "host": "example.org", "jid": "alice@example.org", "password": "{host}"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("login", "login"),
        ("{user}", "alice"),
        ("{user}@{host}/x", "alice@example.org/x"),
        ("{jid}{jid}", "alice@example.orgalice@example.org"),
        ("{{user}}", "{user}"),
        ("{{{user}}}", "{alice}"),
        ("Token {password}", "Token {host}"),
    ],
)
def test_a_placeholder_is_replaced_once_and_doubled_braces_are_literal(
    text: str, expected: str
) -> None:
    assert Template.parse(text).render(VALUES) == expected


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{usr}", "unknown placeholder {usr}; expected one of {user}, {host}, {jid}, {password}"),
        ("{}", "unknown placeholder {}"),
        ("{0}", "unknown placeholder {0}"),
        ("{user!r}", "unknown placeholder {user!r}"),
        ("{user:>99}", "unknown placeholder {user:>99}"),
        ("{user.__class__}", "unknown placeholder {user.__class__}"),
        ("{user[0]}", "unknown placeholder {user[0]}"),
        ("{answer.id}", "unknown placeholder {answer.id}"),
        ("{user", "closing brace"),
        ("user}", "write {{ and }} for braces"),
    ],
)
def test_an_unknown_placeholder_is_an_error_that_lists_the_known_ones(
    text: str, error: str
) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        Template.parse(text)
    assert error in str(caught.value)


def test_a_field_of_the_answer_is_a_placeholder_only_where_there_is_one() -> None:
    template = Template.parse("{answer.access_token}", answer=True)
    assert template.render({"answer.access_token": "t"}) == "t"
    with pytest.raises(ValueError, match=r"\{answer.FIELD\}"):
        Template.parse("{answer.}", answer=True)


def test_the_encoding_applies_to_values_and_not_to_the_text_around_them() -> None:
    assert Template.parse("a/{user}/b").render({"user": "x/y"}, lambda value: value.upper()) == (
        "a/X/Y/b"
    )


@pytest.mark.parametrize(
    ("operation", "credential"),
    [
        (Operation.AUTH, "password"),
        (Operation.SETPASS, "password"),
        (Operation.TRYREGISTER, "password"),
        (Operation.REMOVEUSER3, "password"),
        (Operation.CERTAUTH, "certificate"),
        (Operation.ISUSER, None),
        (Operation.REMOVEUSER, None),
    ],
)
def test_each_operation_has_the_credential_that_its_packet_has(
    operation: Operation, credential: str | None
) -> None:
    command = Command(operation, "alice", "example.org", "secret" if credential else "")
    values = values_of(command, "id-1")
    # {basic} is made of two of them, where a header needs it.
    assert set(values) == set(names_for(operation)) - {"basic"}
    assert {name for name in ("password", "certificate") if name in values} == {
        name for name in (credential,) if name
    }
    assert values["jid"] == "alice@example.org"
    assert (values["operation"], values["request_id"]) == (operation.value, "id-1")
    assert set(names_for(operation)) <= set(NAMES)
