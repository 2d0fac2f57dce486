"""Settings that are valid and yet risky."""

from pathlib import Path

import pytest

from extauth_http.check.account import Account
from tests.check.configuration.files import BACKEND, found_of, written
from tests.check.findings import bad, ids, one

RISKY = [
    ("deadline = 20\n" + BACKEND, "deadline-long", "deadline = 8.0"),
    ('dialect = "boolean"\n' + BACKEND, "dialect", 'dialect = "ejabberd"'),
    (
        BACKEND.replace("127.0.0.1", "auth.example.org"),
        "config-plain-http",
        'url = "https://auth.example.org:8080/xmpp"',
    ),
]

INTROSPECTION = """
[backend]
kind = "introspection"
url = "https://login.example.org/introspect"
client_id = "xmpp"
"""
NESTED = """
[backend]
kind = "userinfo"
url = "https://login.example.org/userinfo"
""" + INTROSPECTION.replace("[backend]", "[backend.isuser]")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (INTROSPECTION, {"config-risk"}),
        (INTROSPECTION + 'audience = "xmpp"', set()),
        (INTROSPECTION + 'require = { token_type = "access_token" }', set()),
        (INTROSPECTION + 'require = { client_id = "xmpp" }', {"config-risk"}),
        (NESTED, {"config-risk"}),
    ],
)
def test_introspection_that_does_not_limit_whose_tokens_it_accepts_is_a_warning(
    tmp_path: Path, account: Account, text: str, expected: set[str]
) -> None:
    found = found_of(written(tmp_path, text), account)
    assert bad(found) == expected
    if expected:
        assert "audience: not set" in one(found, "config-risk").found


@pytest.mark.parametrize(("text", "identity", "line"), RISKY)
def test_a_risky_setting_is_a_warning_with_the_line_to_write(
    tmp_path: Path, account: Account, text: str, identity: str, line: str
) -> None:
    found = found_of(written(tmp_path, text), account)
    assert bad(found) == {identity}
    assert one(found, identity).line == line


def test_the_defaults_are_good(tmp_path: Path, account: Account) -> None:
    found = found_of(written(tmp_path, BACKEND), account)
    assert {"dialect-ejabberd", "deadline-below"} <= ids(found)
    assert not bad(found)


def test_the_boolean_dialect_is_good_without_ejabberd(tmp_path: Path, account: Account) -> None:
    boolean = 'dialect = "boolean"\n'
    found = found_of(written(tmp_path, boolean + BACKEND), account, for_ejabberd=False)
    assert "dialect-boolean" in ids(found)
    assert not bad(found)
    found = found_of(
        written(tmp_path, boolean + "deadline = 10\n" + BACKEND), account, for_ejabberd=False
    )
    assert bad(found) == {"deadline"}
