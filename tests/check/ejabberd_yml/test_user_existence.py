"""auth_external_user_exists_check, in each release."""

from pathlib import Path

import pytest

from extauth_http.check.ejabberd_yml.keywords import UNKNOWN, Environment
from extauth_http.check.finding import Level
from extauth_http.ejabberd_api.releases import Release
from tests.check.ejabberd_yml.files import findings_of

OPTION = "auth_external_user_exists_check"
MOD_LAST = "modules: {mod_last: {}}\n"
OLD, NEW = Environment(Release(23, 4)), Environment(Release(23, 10))

CASES = [
    # environment, options, id, level, part of the text
    (OLD, MOD_LAST, "user-exists", Level.GOOD, "on ejabberd 23.04"),
    (OLD, f"{OPTION}: false", "user-exists-check", Level.BROKEN, "23.04 does not start with"),
    (NEW, MOD_LAST, "user-exists-check", Level.WARNING, "its default is true"),
    (NEW, f"{MOD_LAST}{OPTION}: true", "user-exists-check", Level.WARNING, f"{OPTION} is true"),
    (NEW, f"{MOD_LAST}{OPTION}: false", "user-exists", Level.GOOD, f"{OPTION} is false"),
    (NEW, "", "user-exists", Level.GOOD, "mod_last is not loaded"),
    (UNKNOWN, MOD_LAST, "user-exists-check", Level.WARNING, "since ejabberd 23.10"),
    (UNKNOWN, f"{OPTION}: 'off'", "user-exists", Level.GOOD, "Releases before 23.10"),
]


@pytest.mark.parametrize(("environment", "options", "identity", "level", "text"), CASES)
def test_a_no_of_the_program_counts_unless_ejabberd_overrules_it(
    tmp_path: Path,
    environment: Environment,
    options: str,
    identity: str,
    level: Level,
    text: str,
) -> None:
    found = findings_of(tmp_path, options, environment)
    assert found[identity].level is level
    assert text in found[identity].found
    assert ("user-exists" in found) != ("user-exists-check" in found)


def test_there_is_a_line_to_copy_only_if_the_release_knows_the_option(tmp_path: Path) -> None:
    known = findings_of(tmp_path, MOD_LAST, NEW)["user-exists-check"]
    assert (known.line, len(known.details)) == (f"{OPTION}: false", 1)
    unknown = findings_of(tmp_path, MOD_LAST)["user-exists-check"]
    assert unknown.line == ""
    assert unknown.details[0].startswith(f"since 23.10: {OPTION}: false")
