"""Patterns that name the owner of a token."""

import pytest

from extauth_http.backends.token_pattern import fill_pattern


@pytest.mark.parametrize(
    ("pattern", "user", "host", "expected"),
    [
        ("{user}", "alice", "h.example", "alice"),
        ("{user}@{host}", "alice", "h.example", "alice@h.example"),
        ("{user}+{user}", "alice", "h.example", "alice+alice"),
        ("{user}@{host}", "{host}", "{user}", "{host}@{user}"),
        ("{other}", "alice", "h.example", "{other}"),
    ],
)
def test_a_pattern_is_filled_in_one_pass(pattern: str, user: str, host: str, expected: str) -> None:
    assert fill_pattern(pattern, user, host) == expected
