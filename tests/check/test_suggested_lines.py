"""Lines to copy mean what they should, whatever characters the values contain."""

import tomllib

import pytest
import yaml

from extauth_http.check.suggested_lines import toml_text, yaml_list, yaml_quoted

TEXTS = [
    *("plain", "", "yes", "null", "7", "a b", " a ", "[red]b.org[red]", "a, b", "a: b", "a #b"),
    *("*a", "&a", "!a", "%a", "@a", "it's", 'say "x"', r"back\slash", "${HOME}", "müller", "😀"),
    *("\u2028", "\x7f", "\x85", "tab\there", "x" * 300),
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_line_has_the_value_and_no_line_end(text: str) -> None:
    lines = {
        yaml_list("option", [text, "second"]): [text, "second"],
        yaml_quoted("option", text): text,
        yaml_quoted("option", [text]): [text],
        yaml_quoted("option", {text: {"allow_only": ["hosts"]}}): {text: {"allow_only": ["hosts"]}},
    }
    for line, expected in lines.items():
        assert yaml.safe_load(line) == {"option": expected}
        assert len(line.splitlines()) == 1
        assert r"\ud" not in line.lower()  # ejabberd accepts no halves of a surrogate pair
    assert tomllib.loads(f"key = {toml_text(text)}") == {"key": text}


def test_a_list_of_plain_words_has_no_quotes() -> None:
    assert yaml_list("auth_method", ["external"]) == "auth_method: [external]"
