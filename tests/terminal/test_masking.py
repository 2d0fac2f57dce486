"""A secret never remains in a text, not even a part of it."""

from base64 import b64encode, urlsafe_b64encode

import pytest

from extauth_http.terminal.masking import MASK, MAX_QUOTE, mask_secrets, quotes_nothing


@pytest.mark.parametrize(
    ("text", "secrets", "expected"),
    [
        ("swordfish", ["swordfish"], MASK),
        ("a swordfish and a swordfish", ["swordfish"], f"a {MASK} and a {MASK}"),
        ("swordfish", ["sword", "swordfish"], MASK),
        ("swordfish", ["swordfish", "sword"], MASK),
        ("sword swordfish", iter(["sword", "swordfish"]), f"{MASK} {MASK}"),
        ("nothing", ["", "swordfish"], "nothing"),
        ("nothing", [], "nothing"),
    ],
)
def test_each_occurrence_of_each_secret_is_masked(
    text: str, secrets: list[str], expected: str
) -> None:
    assert mask_secrets(text, secrets) == expected


SECRET = "tok-7f3a9c52e1"


@pytest.mark.parametrize(
    ("text", "secrets", "shown"),
    [
        ("Account disabled", [SECRET], True),
        ("Account disabled", [], True),
        ("Account disabled", [""], True),
        ("the token 7f3a is unknown", [SECRET], False),
        ("THE TOKEN 7F3A IS UNKNOWN", [SECRET], False),
        ("7f3 and a9c are three characters each", [SECRET], True),
        ("abc", ["abc"], False),
        ("a b c", ["abc"], True),
        ("p%C3%A4ss", ["päss"], False),
        ("%2Fa+b", ["/a b"], False),
        (b64encode(SECRET.encode()).decode(), [SECRET], False),
        (b64encode(b"x" + SECRET.encode()).decode(), [SECRET], False),
        (b64encode(b"xy" + SECRET.encode()).decode(), [SECRET], False),
        (urlsafe_b64encode(b"~~~???~~~").decode(), ["~~~???~~~"], False),
        (SECRET.encode().hex(), [SECRET], False),
        ("a" * MAX_QUOTE, [SECRET], True),
        ("a" * (MAX_QUOTE + 1), [SECRET], False),
        ("Account\ndisabled", [SECRET], False),
        ("Account \u202e disabled", [SECRET], False),
    ],
)
def test_a_text_of_a_service_is_shown_only_if_it_quotes_no_part_of_a_secret(
    text: str, secrets: list[str], shown: bool
) -> None:
    assert quotes_nothing(text, secrets) is shown
