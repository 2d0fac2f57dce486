"""Every finding about ejabberd.yml has a file that shows it, and one that does not."""

from pathlib import Path

import pytest
import yaml

from extauth_http.check.ejabberd_yml import (
    authentication,
    global_options,
    keyword_findings,
    listeners,
    login_bans,
    login_bypasses,
    sasl_mechanisms,
    shared_pools,
    user_existence,
)
from extauth_http.check.finding import Level
from tests.check.ejabberd_yml.files import findings_by_id
from tests.check.findings import known

MODULES = [
    *(authentication, global_options, keyword_findings, listeners, login_bans),
    *(login_bypasses, sasl_mechanisms, shared_pools, user_existence),
]
FOLDER = Path(__file__).parent / "rules"
SHOWN = sorted(file.stem for file in FOLDER.glob("*.yml") if file.stem != "clean")
CLEAN = {"auth-method", "cache-off", "oauth-off", "listeners", "user-exists"}


def test_every_finding_has_a_file_that_shows_it_and_one_that_does_not() -> None:
    shown = [set(findings_by_id(file)) for file in FOLDER.glob("*.yml")]
    assert set.union(*shown) == known(*MODULES) == {*SHOWN, *CLEAN}
    assert not set.intersection(*shown)


@pytest.mark.parametrize("name", SHOWN)
def test_a_file_shows_the_finding_of_its_name_and_the_clean_one_does_not(name: str) -> None:
    assert name in findings_by_id(FOLDER / f"{name}.yml")
    assert name not in findings_by_id(FOLDER / "clean.yml")


@pytest.mark.parametrize("name", SHOWN)
def test_a_problem_has_a_line_to_copy_or_tells_what_to_remove(name: str) -> None:
    found = findings_by_id(FOLDER / f"{name}.yml")[name]
    if found.level is Level.GOOD:
        return
    if found.line:
        assert isinstance(yaml.safe_load(found.line), dict)
    else:
        assert any("remove" in detail and "from" in detail for detail in found.details)


def test_a_clean_file_has_nothing_to_change() -> None:
    found = findings_by_id(FOLDER / "clean.yml")
    assert found.keys() == CLEAN
    assert all(each.level is Level.GOOD for each in found.values())


def test_a_finding_names_the_file_and_line() -> None:
    found = findings_by_id(FOLDER / "plain-disabled.yml")["plain-disabled"]
    assert found.where == f"{FOLDER / 'plain-disabled.yml'}:5"
