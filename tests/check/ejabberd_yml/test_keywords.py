"""Predefined keywords: replaced as the release does, and reported."""

from pathlib import Path

import pytest
import yaml

from extauth_http.check.ejabberd_yml.keywords import UNKNOWN, Environment
from extauth_http.check.finding import Level
from extauth_http.ejabberd_api.releases import Release
from tests.check.ejabberd_yml.files import findings_of, parse

OLD = Environment(Release(24, 12), "/home/of/ejabberd")
MIDDLE = Environment(Release(25, 7), "/home/of/ejabberd")
NEW = Environment(Release(26, 7), "/home/of/ejabberd")

REPLACED = [
    # environment, extauth_program in the file, what the shell receives; FOLDER has ejabberd.yml
    (OLD, "p @CONFIG_PATH@/x", "p @CONFIG_PATH@/x"),
    (MIDDLE, "p @CONFIG_PATH@/x", "p FOLDER/x"),
    (NEW, "p @CONFIG_PATH@/x", "p FOLDER/x"),
    (UNKNOWN, "p @CONFIG_PATH@/x", "p FOLDER/x"),
    (NEW, "p @HOME@ @LOG_PATH@", "p /home/of/ejabberd /var/log/ejabberd"),
    (MIDDLE, "p @DATABASE_PATH@", "p @DATABASE_PATH@"),
    (NEW, "p @DATABASE_PATH@", "p /var/lib/ejabberd"),
    (NEW, "p @VERSION@ @SEMVER@", "p 26.07 26.07"),
    (UNKNOWN, "p @VERSION@", "p @VERSION@"),
    (NEW, "p @HOST@ @HOST_URL_ENCODE@ @OTHER@ a@b", "p @HOST@ @HOST_URL_ENCODE@ @OTHER@ a@b"),
]


@pytest.mark.parametrize(("environment", "program", "expected"), REPLACED)
def test_a_keyword_is_replaced_as_the_release_does(
    tmp_path: Path, environment: Environment, program: str, expected: str
) -> None:
    option = parse(tmp_path, f"extauth_program: '{program}'", environment).option(
        "a.org", "extauth_program"
    )
    assert option is not None
    assert option.value.plain == expected.replace("FOLDER", str(tmp_path))


def test_a_macro_may_contain_a_keyword(tmp_path: Path) -> None:
    lines = "define_macro: {FILE: '@HOME@/x'}\nextauth_program: 'p @FILE@'"
    option = parse(tmp_path, lines, NEW).option("a.org", "extauth_program")
    assert option is not None
    assert option.value.plain == "p /home/of/ejabberd/x"


def test_options_of_modules_are_left_as_they_are(tmp_path: Path) -> None:
    modules = parse(tmp_path, "modules: {mod_x: {y: '@HOME@'}}", NEW).modules("a.org")
    assert modules["mod_x"].value.plain == {"y": "@HOME@"}


FOUND = [
    # environment, keyword, level, part of the text, whether the line to copy has the value
    (NEW, "CONFIG_PATH", Level.GOOD, "ejabberd 26.07 replaces with FOLDER", False),
    (OLD, "CONFIG_PATH", Level.BROKEN, "on 24.12 the program receives this text", True),
    (UNKNOWN, "CONFIG_PATH", Level.WARNING, "since 25.07; before", True),
    (UNKNOWN, "CONFIG_PATH", Level.WARNING, "This check assumes FOLDER", True),
    (MIDDLE, "DATABASE_PATH", Level.BROKEN, "since 26.04", True),
    (NEW, "HOST", Level.BROKEN, "in options of modules only", True),
]


@pytest.mark.parametrize(("environment", "name", "level", "text", "has_value"), FOUND)
def test_a_keyword_in_extauth_program_is_a_finding(
    tmp_path: Path,
    environment: Environment,
    name: str,
    level: Level,
    text: str,
    has_value: bool,
) -> None:
    found = findings_of(tmp_path, f"extauth_program: 'p @{name}@'", environment)["keyword"]
    assert found.level is level
    assert text.replace("FOLDER", str(tmp_path)) in found.found
    values = {"CONFIG_PATH": str(tmp_path), "DATABASE_PATH": "/var/lib/ejabberd"}
    if has_value:
        program = f"p {values.get(name, 'example.org')}"
        assert yaml.safe_load(found.line) == {"extauth_program": program}
    else:
        assert found.line == ""


def test_the_line_for_a_virtual_host_belongs_to_that_host(tmp_path: Path) -> None:
    found = findings_of(tmp_path, "extauth_program: 'p @HOST@'", NEW)["keyword"]
    assert found.place == ("host_config", "example.org")


def test_a_program_without_keywords_has_no_finding(tmp_path: Path) -> None:
    assert "keyword" not in findings_of(tmp_path, "extauth_program: 'p a@b'")
