"""ejabberd.yml is parsed as ejabberd does; tests/e2e/test_check_claims.py compares the two."""

from pathlib import Path

import pytest

from extauth_http.check.ejabberd_yml.parser import EjabberdYml
from extauth_http.check.ejabberd_yml.yaml_values import EjabberdYmlError
from tests.check.ejabberd_yml.files import parse, words

PER_HOST = [
    # lines, what a.org has, what b.org has
    ("auth_method: external", ["external"], ["external"]),
    ("host_config: {b.org: {auth_method: ldap}}", [], ["ldap"]),
    ("auth_method: external\nhost_config: {B.org: {auth_method: [ldap]}}", ["external"], ["ldap"]),
    (
        "auth_method: external\nappend_host_config: {b.org: {auth_method: anonymous}}",
        ["external"],
        ["external", "anonymous"],
    ),
    ("append_host_config: {b.org: {auth_method: [anonymous]}}", [], ["anonymous"]),
    (
        "auth_method: external\nhost_config: {b.org: {auth_method: ldap}}\n"
        "append_host_config: {b.org: {auth_method: anonymous}}",
        ["external"],
        ["ldap", "anonymous"],
    ),
    ("auth_method: [external]\nauth_method: [ldap]", ["external", "ldap"], ["external", "ldap"]),
    (
        "host_config: {B.org: {use_cache: true}, b.org: {auth_method: [ldap]}}",
        [],
        ["ldap"],
    ),
]


@pytest.mark.parametrize(("lines", "first", "second"), PER_HOST)
def test_each_host_has_its_own_options(
    tmp_path: Path, lines: str, first: list[str], second: list[str]
) -> None:
    yml = parse(tmp_path, lines)
    assert words(yml.option("a.org", "auth_method")) == first
    assert words(yml.option("b.org", "auth_method")) == second


MODULES = [
    ("host_config: {b.org: {modules: {mod_disco: {}}}}", {"mod_disco"}),
    ("append_host_config: {b.org: {modules: {mod_disco: {}}}}", {"mod_roster", "mod_disco"}),
    (
        "host_config: {b.org: {modules: {mod_disco: {}}}}\n"
        "append_host_config: {b.org: {modules: {mod_ping: {}}}}",
        {"mod_disco", "mod_ping"},
    ),
]


@pytest.mark.parametrize(("lines", "modules"), MODULES)
def test_host_config_replaces_all_modules_and_append_host_config_adds_some(
    tmp_path: Path, lines: str, modules: set[str]
) -> None:
    yml = parse(tmp_path, f"modules: {{mod_roster: {{}}}}\n{lines}")
    assert yml.modules("a.org").keys() == {"mod_roster"}
    assert yml.modules("b.org").keys() == modules


def test_an_appended_text_is_concatenated(tmp_path: Path) -> None:
    lines = "extauth_program: /bin/a\nappend_host_config: {b.org: {extauth_program: ' --more'}}"
    option = parse(tmp_path, lines).option("b.org", "extauth_program")
    assert option is not None
    assert option.value.plain == "/bin/a --more"


BAD = [
    ("- hosts: a list\n", "expected a mapping", 1),
    ("hosts: [a.org\n", "is not YAML", 2),
    ("hosts: [a.org]\n---\nuse_cache: true\n", "is not YAML", 2),
    ("hosts: []\n", "at least one virtual host", 1),
    ("hosts: a.org\n", "a list with at least one virtual host", 1),
    ("hosts: [a.org, A.org]\n", "a.org: is listed twice", 1),
    ("hosts: [a.org, '']\n", "expected host names", 1),
    ("hosts: [alice@a.org]\n", "expected host names", 1),
    (f"hosts: [{'a' * 2000}]\n", "expected host names", 1),
    ("modules: [mod_roster]", "modules: expected a mapping", 2),
    ("host_config: {a.org: 5}", "a.org: expected options", 2),
    (
        "host_config: {a.org: {use_cache: true}, A.org: {use_cache: true}}",
        "use_cache: is set twice",
        2,
    ),
    ('language: "\\ud800"', "is not YAML", 2),
    (f"language: {'[' * 9000}", "levels of nesting", 2),
    ('include_config_file: "a\\0b"', "invalid file name", 2),
    (f"include_config_file: {'a' * 5000}", "cannot be read", 2),
    ("extauth_pool_size: true", "a number greater than 0", 2),
    (f"extauth_pool_size: {'9' * 5000}", "a number greater than 0", 2),
    ("include_config_file: nowhere.yml", "nowhere.yml: cannot be read", 2),
    ("include_config_file: ejabberd.yml", "include one another", 2),
    ("include_config_file: [{more.yml: {}}]", "a mapping, not a list, for names with rules", 2),
    ("include_config_file: {more.yml: {disallow: use_cache}}", "disallow: expected a list", 2),
    ("use_cache: true\ninclude_config_file: more.yml", "use_cache: is set twice", 1),
    ("include_config_file: [more.yml, more.yml]", "use_cache: is set twice", 1),
    ("host_config: {c.org: {use_cache: false}}", "c.org is not in hosts", 2),
    ("use_cache: true\nuse_cache: false", "use_cache: is set twice", 3),
    ("host_config:\n  a.org: {use_cache: true, use_cache: true}", "is set twice", 3),
    ("extauth_pool_size: 1\nextauth_instances: 2", "extauth_pool_size: is set twice", 3),
    ("extauth_pool_size: 0", "a number greater than 0", 2),
    ("extauth_pool_size: many", "a number greater than 0", 2),
    ("append_host_config: {a.org: {use_cache: true}}", "lists and mappings only", 2),
    ("auth_use_cache: False", "in lower case, not False", 2),
    ("use_cache: 0", "use_cache: expected true or false", 2),
    ("define_keyword: {CACHE: false}\nuse_cache: '@CACHE@'", "not @CACHE@", 3),
    ("listen:\n  - tls: TRUE", "tls: expected true or false", 3),
    ("include_config_file: {macro.yml: {allow_only: [use_cache]}}", "not CACHE", 2),
    ("define_macro: {A: B, B: A}\nuse_cache: A", "refers to itself", None),
    ("auth_method: &methods [external]\nx: *methods", "ejabberd has no YAML aliases", 3),
]


@pytest.mark.parametrize(("text", "reason", "line"), BAD)
def test_what_ejabberd_does_not_start_with_is_an_error_with_its_line(
    tmp_path: Path, text: str, reason: str, line: int | None
) -> None:
    with pytest.raises(EjabberdYmlError, match=reason) as caught:
        parse(
            tmp_path,
            text,
            more="use_cache: true\n",
            macro="define_macro: {CACHE: true}\nuse_cache: CACHE\n",
        )
    if line:
        assert caught.value.where.endswith(f".yml:{line}")


def test_an_empty_file_another_encoding_and_a_directory_are_errors(tmp_path: Path) -> None:
    file = tmp_path / "ejabberd.yml"
    file.write_text("")
    with pytest.raises(EjabberdYmlError, match="hosts"):
        EjabberdYml(file)
    file.write_bytes("hosts: [a.org] # caf\xe9".encode("latin-1"))
    with pytest.raises(EjabberdYmlError, match="UTF-8"):
        EjabberdYml(file)
    with pytest.raises(EjabberdYmlError, match="cannot be read"):
        EjabberdYml(tmp_path)


def test_host_names_are_compared_after_nodeprep(tmp_path: Path) -> None:
    composed, decomposed = "caf\u00e9.example", "CAFE\u0301.example"
    text = f"hosts: [{composed}]\nhost_config: {{{decomposed}: {{auth_method: ldap}}}}\n"
    yml = parse(tmp_path, text)
    assert yml.hosts == [composed]
    assert words(yml.option(composed, "auth_method")) == ["ldap"]
