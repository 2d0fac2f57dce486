"""Every finding about ejabberd.yml has a file that shows it, and one that does not."""

import re
from pathlib import Path

import pytest

from extauth_http.check import ejabberd_rules, ways_in
from extauth_http.check.ejabberd_yml import BadYml, EjabberdYml
from extauth_http.check.finding import Finding, Level

FOLDER = Path(__file__).parent / "ejabberd_yml"
SHOWN = sorted(file.stem for file in FOLDER.glob("*.yml") if file.stem != "clean")
RULES = [
    FOLDER.parents[2] / "src/extauth_http/check" / name
    for name in ("ejabberd_rules.py", "ways_in.py")
]
CLEAN = {"auth-method", "cache-off", "oauth-off", "listeners"}


def found(file: Path) -> dict[str, Finding]:
    yml = EjabberdYml(file)
    findings = [*ejabberd_rules.of_all(yml), *ways_in.of_listeners(yml)]
    for host in yml.hosts:
        findings += ejabberd_rules.of_host(yml, host, "/opt/extauth-http/bin/extauth-http")
        findings += ways_in.of_host(yml, host)
    return {each.id: each for each in findings}


def test_the_files_show_every_finding_there_is() -> None:
    source = "".join(file.read_text() for file in RULES)
    known = set(re.findall(r'(?:good|warning|broken)\(\s*"([a-z0-9-]+)"', source))
    kinds = {name for file in FOLDER.glob("*.yml") for name in found(file)}
    assert kinds == known == {*SHOWN, *CLEAN}


@pytest.mark.parametrize("name", SHOWN)
def test_a_file_shows_what_it_is_called_and_the_clean_one_does_not(name: str) -> None:
    assert name in found(FOLDER / f"{name}.yml")
    assert name not in found(FOLDER / "clean.yml")


def test_a_clean_file_has_nothing_to_change() -> None:
    findings = found(FOLDER / "clean.yml")
    assert findings.keys() == CLEAN
    assert all(each.level is Level.GOOD for each in findings.values())


def test_a_finding_names_the_file_and_line() -> None:
    assert found(FOLDER / "plain-disabled.yml")["plain-disabled"].where.endswith(
        "plain-disabled.yml:5"
    )


def test_one_host_may_have_the_cache_on_where_another_has_not(tmp_path: Path) -> None:
    file = tmp_path / "ejabberd.yml"
    file.write_text(
        "hosts: [a.org, b.org]\nauth_use_cache: false\nextauth_program: x\n"
        "host_config: {b.org: {auth_use_cache: true}}\n"
    )
    yml = EjabberdYml(file)
    ids = {
        host: {each.id: each for each in ejabberd_rules.of_host(yml, host, "x")}
        for host in yml.hosts
    }
    assert "cache-off" in ids["a.org"]
    assert ids["b.org"]["cache-on"].place == ("host_config", "b.org")


INCLUDED = [
    ("include_config_file: more.yml", True),
    ("include_config_file: [more.yml]", True),
    ("include_config_file: {more.yml: {}}", True),
    ("include_config_file: {more.yml: {allow_only: [auth_use_cache]}}", True),
    ("include_config_file: {more.yml: {allow_only: [modules]}}", False),
    ("include_config_file: {more.yml: {disallow: [auth_use_cache]}}", False),
]


@pytest.mark.parametrize(("line", "counts"), INCLUDED)
def test_an_included_file_counts_as_far_as_it_is_let(
    tmp_path: Path, line: str, counts: bool
) -> None:
    (tmp_path / "more.yml").write_text("auth_use_cache: false\n")
    file = tmp_path / "ejabberd.yml"
    file.write_text(f"hosts: [a.org]\n{line}\n")
    option = EjabberdYml(file).option("a.org", "auth_use_cache")
    assert (option is not None) == counts
    if option:
        assert option.value.where == f"{tmp_path / 'more.yml'}:1"


BAD = [
    ("", "expected options"),
    ("- a list\n", "expected options"),
    ("hosts: [a.org\n", "is not YAML"),
    ("auth_use_cache: false\n", "hosts"),
    ("hosts: [a.org]\ninclude_config_file: nowhere.yml\n", "cannot be read"),
    ("hosts: [a.org]\ninclude_config_file: ejabberd.yml\n", "include each other"),
    ("hosts: [a.org]\nhost_config: {b.org: {use_cache: false}}\n", "b.org is not in hosts"),
    ("hosts: [a.org]\nuse_cache: true\nuse_cache: false\n", "stands twice"),
    ("define_macro: {A: B, B: A}\nhosts: [a.org]\nuse_cache: A\n", "stands for itself"),
]


@pytest.mark.parametrize(("text", "why"), BAD)
def test_what_ejabberd_would_not_start_with_is_named(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "ejabberd.yml"
    file.write_text(text)
    with pytest.raises(BadYml, match=why):
        EjabberdYml(file)
