"""A secret never remains in a text, not even a part of it."""

import pytest

from extauth_http.terminal.masking import MASK, mask_secrets


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
