"""define_macro and define_keyword."""

from pathlib import Path

import pytest

from extauth_http.check.ejabberd_yml.keywords import Environment
from extauth_http.ejabberd_api.releases import Release
from tests.check.ejabberd_yml.files import parse

MACROS = [
    ("define_macro: {PROGRAM: /bin/a}\nextauth_program: PROGRAM", "/bin/a"),
    ("define_macro: {PROGRAM: /bin/a}\nextauth_program: 'PROGRAM'", "/bin/a"),
    ("define_macro: {OTHER: PROGRAM, PROGRAM: /bin/a}\nextauth_program: OTHER", "/bin/a"),
    ("define_macro: {PROGRAM: /bin/a}\nextauth_program: '@PROGRAM@ -v'", "/bin/a -v"),
    ("define_keyword: {PROGRAM: /bin/a}\nextauth_program: '@PROGRAM@ -v'", "/bin/a -v"),
    ("define_keyword: {PROGRAM: /bin/a}\nextauth_program: PROGRAM", "/bin/a"),
    ("define_macro: {PROGRAM: /bin/a}\nextauth_program: MY PROGRAM", "MY PROGRAM"),
    ("extauth_program: 'a @HOST@'", "a @HOST@"),
]


@pytest.mark.parametrize(("lines", "program"), MACROS)
def test_macros_and_keywords_are_replaced_by_their_values(
    tmp_path: Path, lines: str, program: str
) -> None:
    option = parse(tmp_path, lines).option("a.org", "extauth_program")
    assert option is not None
    assert option.value.plain == program


@pytest.mark.parametrize(("release", "expected"), [((24, 12), "@A@ -v"), ((25, 3), "/bin/a -v")])
def test_a_macro_within_a_text_is_replaced_since_25_03(
    tmp_path: Path, release: tuple[int, int], expected: str
) -> None:
    lines = "define_macro: {A: /bin/a}\nextauth_program: '@A@ -v'"
    yml = parse(tmp_path, lines, Environment(Release(*release)))
    option = yml.option("a.org", "extauth_program")
    assert option is not None
    assert option.value.plain == expected
