"""Every finding about ejabberd.yml has a file that shows it, and one that does not."""

from pathlib import Path

import pytest
import yaml

from extauth_http.check.ejabberd_yml import login_rules as ejabberd_rules
from extauth_http.check.ejabberd_yml import other_logins as ways_in
from extauth_http.check.ejabberd_yml.parser import EjabberdYml
from extauth_http.check.finding import Finding, Level
from tests.check.findings import known

FOLDER = Path(__file__).parent / "rules"
SHOWN = sorted(file.stem for file in FOLDER.glob("*.yml") if file.stem != "clean")
CLEAN = {"auth-method", "cache-off", "oauth-off", "listeners"}


def findings(file: Path) -> list[Finding]:
    yml = EjabberdYml(file)
    found = [*ejabberd_rules.of_all(yml), *ways_in.of_listeners(yml)]
    for host in yml.hosts:
        found += ejabberd_rules.of_host(yml, host, "/opt/extauth-http/bin/extauth-http")
        found += ways_in.of_host(yml, host)
    return found


def by_id(file: Path) -> dict[str, Finding]:
    return {each.id: each for each in findings(file)}


def found_in(folder: Path, more: str) -> dict[str, Finding]:
    """What is found in a file of one host, example.org, that has these lines beside."""
    file = folder / "ejabberd.yml"
    file.write_text(f"hosts: [example.org]\n{more}\n")
    return by_id(file)


def test_every_finding_has_a_file_that_shows_it_and_one_that_does_not() -> None:
    shown = [set(by_id(file)) for file in FOLDER.glob("*.yml")]
    assert set.union(*shown) == known(ejabberd_rules, ways_in) == {*SHOWN, *CLEAN}
    assert not set.intersection(*shown)


@pytest.mark.parametrize("name", SHOWN)
def test_a_file_shows_what_it_is_called_and_the_clean_one_does_not(name: str) -> None:
    assert name in by_id(FOLDER / f"{name}.yml")
    assert name not in by_id(FOLDER / "clean.yml")


@pytest.mark.parametrize("name", SHOWN)
def test_what_is_wrong_has_a_line_to_copy_or_says_what_to_take_out(name: str) -> None:
    found = by_id(FOLDER / f"{name}.yml")[name]
    if found.level is Level.GOOD:
        return
    if found.line:
        assert isinstance(yaml.safe_load(found.line), dict)
    else:
        assert any("take" in detail and "out of" in detail for detail in found.details)


def test_a_clean_file_has_nothing_to_change() -> None:
    found = by_id(FOLDER / "clean.yml")
    assert found.keys() == CLEAN
    assert all(each.level is Level.GOOD for each in found.values())


def test_a_finding_names_the_file_and_line() -> None:
    found = by_id(FOLDER / "plain-disabled.yml")["plain-disabled"]
    assert found.where == f"{FOLDER / 'plain-disabled.yml'}:5"


CACHES = [
    ("", True, "auth_use_cache is not set, and it is on by default"),
    ("use_cache: true", True, "use_cache is true, and auth_use_cache, which is not set"),
    ("use_cache: false", False, "use_cache is false, and auth_use_cache, which is not set"),
    ("use_cache: false\nauth_use_cache: true", True, "auth_use_cache is true"),
    ("use_cache: true\nauth_use_cache: false", False, "auth_use_cache is false"),
    ("auth_use_cache: 'off'", False, "auth_use_cache is false"),
    ("auth_use_cache: n", False, "auth_use_cache is false"),
    (
        "auth_use_cache: false\nhost_config: {EXAMPLE.org: {auth_use_cache: on}}",
        True,
        "auth_use_cache is true in host_config",
    ),
    ("host_config: {example.org: {use_cache: no}}", False, "use_cache is false in host_config"),
]


@pytest.mark.parametrize(("lines", "on", "said"), CACHES)
def test_the_cache_is_on_unless_it_is_switched_off(
    tmp_path: Path, lines: str, on: bool, said: str
) -> None:
    found = found_in(tmp_path, lines)
    assert found["cache-on" if on else "cache-off"].found.startswith(said)
    assert ("cache-on" in found) != ("cache-off" in found)


METHODS = [
    ("", "auth_method is not set, which means default_db, or mnesia"),
    ("auth_method: []", "auth_method is not set"),
    ("auth_method: internal", "auth_method is internal"),
    ("auth_method: [ldap, sql]", "auth_method is ldap, sql"),
]


@pytest.mark.parametrize(("lines", "said"), METHODS)
def test_without_external_the_program_is_never_asked(tmp_path: Path, lines: str, said: str) -> None:
    found = found_in(tmp_path, lines)["auth-method-not-external"]
    assert found.found.startswith(said)
    assert (found.line, found.level) == ("auth_method: [external]", Level.BROKEN)


@pytest.mark.parametrize("method", ejabberd_rules.OTHER_METHODS)
def test_a_method_beside_external_is_named_with_what_it_means(tmp_path: Path, method: str) -> None:
    found = found_in(tmp_path, f"auth_method: [external, {method}]")["auth-method-beside"]
    assert method in found.found
    assert ejabberd_rules.OTHER_METHODS[method] in found.found


def test_what_is_appended_is_to_be_taken_out_where_it_is_appended(tmp_path: Path) -> None:
    found = found_in(
        tmp_path,
        "auth_method: external\nappend_host_config: {example.org: {auth_method: [mnesia]}}",
    )["auth-method-beside"]
    assert found.line == ""
    assert found.details == ("take auth_method out of append_host_config for example.org",)


DISABLED = [
    ("disable_sasl_mechanisms: PLAIN", "disable_sasl_mechanisms: []", ()),
    (
        "disable_sasl_mechanisms: [plain, DIGEST-MD5, X-OAUTH2]",
        "disable_sasl_mechanisms: [DIGEST-MD5, X-OAUTH2]",
        (),
    ),
    (
        "disable_sasl_mechanisms: [X-OAUTH2]\n"
        "append_host_config: {example.org: {disable_sasl_mechanisms: [PLAIN, EXTERNAL]}}",
        "disable_sasl_mechanisms: [EXTERNAL]",
        ("append_host_config", "example.org"),
    ),
]


@pytest.mark.parametrize(("lines", "line", "place"), DISABLED)
def test_mechanisms_without_plain_leave_no_login(
    tmp_path: Path, lines: str, line: str, place: tuple[str, ...]
) -> None:
    found = found_in(tmp_path, f"auth_method: external\n{lines}")["plain-disabled"]
    assert (found.level, found.line, found.place) == (Level.BROKEN, line, place)


def test_the_line_against_oauth_keeps_what_is_disabled_already(tmp_path: Path) -> None:
    found = found_in(tmp_path, "disable_sasl_mechanisms: [DIGEST-MD5]")["oauth"]
    assert found.line == "disable_sasl_mechanisms: [DIGEST-MD5, X-OAUTH2]"


def test_an_option_without_effect_is_to_go_and_nothing_to_stand_twice(tmp_path: Path) -> None:
    """With ``auth_use_cache`` in its place there would be two."""
    found = found_in(
        tmp_path,
        "auth_use_cache: false\nhost_config: {example.org: {extauth_cache: 5}}",
    )["extauth-cache"]
    assert found.line == ""
    assert found.details == ("take extauth_cache out of host_config.example.org",)


def test_the_line_for_an_included_file_has_its_whole_path(tmp_path: Path) -> None:
    (tmp_path / "more.yml").write_text("use_cache: true\n")
    rules = {"allow_only": ["use_cache"]}
    found = found_in(tmp_path, yaml.safe_dump({"include_config_file": {"more.yml": rules}}))
    line = yaml.safe_load(found["include-relative"].line)
    assert line == {"include_config_file": {str(tmp_path / "more.yml"): rules}}
    assert "include-relative" not in found_in(tmp_path, yaml.safe_dump(line))
