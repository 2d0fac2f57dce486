"""Text from outside never controls the terminal that shows it."""

import pytest

from extauth_http.terminal.printable import printable, printable_lines

HOSTILE = "[red]x[/red]\x1b[2J\x9b31m\x07\r\n\t\N{RIGHT-TO-LEFT OVERRIDE}gpj\x00\ud800:smile:"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("phone", "phone"),
        ("Zoë 電話 📱", "Zoë 電話 📱"),
        ("[red]x[/red]", "[red]x[/red]"),
        ("a\\x1bb", "a\\x1bb"),
        (HOSTILE, "[red]x[/red]�[2J�31m�����gpj��:smile:"),
        ("a\nb", "a�b"),
        ("a\u2028b\u2029c\x85d", "a�b�c�d"),
    ],
)
def test_each_character_that_is_not_printable_is_replaced(text: str, expected: str) -> None:
    assert printable(text) == expected


@pytest.mark.parametrize(
    "control",
    [
        "\u061c",
        "\u200e",
        "\u200f",
        *map(chr, range(0x202A, 0x202F)),
        *map(chr, range(0x2066, 0x206A)),
    ],
    ids=ascii,
)
def test_bidirectional_controls_are_replaced(control: str) -> None:
    assert printable(f"a{control}b") == "a�b"


def test_line_ends_are_kept_where_several_lines_are_shown() -> None:
    assert printable_lines("a\n\x1b[1mb\r\n\n") == "a\n�[1mb�\n\n"
