"""What ejabberd makes of its file; tests/e2e/test_check_claims.py asks ejabberd itself."""

from pathlib import Path

import pytest

from extauth_http.check.ejabberd_yml.parser import EjabberdYml, Option
from extauth_http.check.ejabberd_yml.yaml_values import EjabberdYmlError


def read(folder: Path, text: str, **included: str) -> EjabberdYml:
    for name, inner in included.items():
        (folder / f"{name}.yml").write_text(inner)
    file = folder / "ejabberd.yml"
    file.write_text(text if "hosts:" in text else f"hosts: [a.org, b.org]\n{text}\n")
    return EjabberdYml(file)


def words(option: Option | None) -> list[str]:
    return option.value.words if option else []


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
    yml = read(tmp_path, lines)
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
def test_a_hosts_own_modules_take_the_place_of_all_and_appended_ones_are_added(
    tmp_path: Path, lines: str, modules: set[str]
) -> None:
    yml = read(tmp_path, f"modules: {{mod_roster: {{}}}}\n{lines}")
    assert yml.modules("a.org").keys() == {"mod_roster"}
    assert yml.modules("b.org").keys() == modules


def test_a_text_is_appended_to_the_text_before(tmp_path: Path) -> None:
    lines = "extauth_program: /bin/a\nappend_host_config: {b.org: {extauth_program: ' --more'}}"
    option = read(tmp_path, lines).option("b.org", "extauth_program")
    assert option is not None
    assert option.value.plain == "/bin/a --more"


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
def test_macros_and_keywords_stand_for_values(tmp_path: Path, lines: str, program: str) -> None:
    option = read(tmp_path, lines).option("a.org", "extauth_program")
    assert option is not None
    assert option.value.plain == program


INCLUDED = [
    ("include_config_file: more.yml", True),
    ("include_config_file: [more.yml]", True),
    ("include_config_file: more.yml\ninclude_config_file: empty.yml", True),
    ("include_config_file: {more.yml: {}, empty.yml: {}}", True),
    ("include_config_file: {more.yml: {allow_only: [auth_use_cache, define_macro]}}", True),
    ("include_config_file: {more.yml: {allow_only: [modules]}}", False),
    ("include_config_file: {more.yml: {disallow: [auth_use_cache]}}", False),
    ("include_config_file: nested.yml", True),
    ("include_config_file: {nested.yml: {disallow: [auth_use_cache]}}", False),
]


@pytest.mark.parametrize(("line", "counts"), INCLUDED)
def test_an_included_file_counts_as_far_as_it_is_let(
    tmp_path: Path, line: str, counts: bool
) -> None:
    more = "# a macro of another file\nauth_use_cache: CACHE\ndefine_macro: {CACHE: false}\n"
    yml = read(tmp_path, line, more=more, nested="include_config_file: more.yml\n", empty="")
    option = yml.option("a.org", "auth_use_cache")
    assert (option is not None) == counts
    if option:
        assert option.value.where == f"{tmp_path / 'more.yml'}:2"


def test_a_file_that_is_included_by_an_included_one_is_not_looked_for_beside_that(
    tmp_path: Path,
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/first.yml").write_text("include_config_file: second.yml\n")
    (tmp_path / "sub/second.yml").write_text("")
    with pytest.raises(EjabberdYmlError, match=r"second\.yml: cannot be read"):
        read(tmp_path, "include_config_file: sub/first.yml")
    (tmp_path / "second.yml").write_text("")
    assert len(read(tmp_path, "include_config_file: sub/first.yml").relative) == 2


def test_options_of_included_files_are_put_together_where_both_are_lists_or_mappings(
    tmp_path: Path,
) -> None:
    lines = "auth_method: [external]\nhost_config: {a.org: {use_cache: true}}\n"
    more = "auth_method: [ldap]\nhost_config: {a.org: {auth_use_cache: true}}\n"
    yml = read(tmp_path, f"{lines}include_config_file: more.yml", more=more)
    assert words(yml.option("a.org", "auth_method")) == ["external", "ldap"]
    assert words(yml.option("a.org", "use_cache")) == ["True"]
    assert words(yml.option("a.org", "auth_use_cache")) == ["True"]


BAD = [
    ("- hosts: a list\n", "expected options", 1),
    ("hosts: [a.org\n", "is not YAML", 2),
    ("hosts: [a.org]\n---\nuse_cache: true\n", "is not YAML", 2),
    ("hosts: []\n", "at least one virtual host", 1),
    ("hosts: a.org\n", "a list with at least one virtual host", 1),
    ("hosts: [a.org, A.org]\n", "a.org: stands twice", 1),
    ("hosts: [a.org, '']\n", "names of hosts", 1),
    ("hosts: [alice@a.org]\n", "names of hosts", 1),
    (f"hosts: [{'a' * 2000}]\n", "names of hosts", 1),
    ("modules: [mod_roster]", "modules: expected names", 2),
    ("host_config: {a.org: 5}", "a.org: expected options", 2),
    (
        "host_config: {a.org: {use_cache: true}, A.org: {use_cache: true}}",
        "use_cache: stands twice",
        2,
    ),
    ('language: "\\ud800"', "is not YAML", 2),
    (f"language: {'[' * 9000}", "nested too deeply", 2),
    ('include_config_file: "a\\0b"', "no file has such a name", 2),
    (f"include_config_file: {'a' * 5000}", "cannot be read", 2),
    ("extauth_pool_size: true", "a number from 1 on", 2),
    (f"extauth_pool_size: {'9' * 5000}", "a number from 1 on", 2),
    ("include_config_file: nowhere.yml", "nowhere.yml: cannot be read", 2),
    ("include_config_file: ejabberd.yml", "include each other", 2),
    ("include_config_file: [{more.yml: {}}]", "names with rules", 2),
    ("include_config_file: {more.yml: {disallow: use_cache}}", "disallow: expected a list", 2),
    ("use_cache: true\ninclude_config_file: more.yml", "use_cache: stands twice", 1),
    ("include_config_file: [more.yml, more.yml]", "use_cache: stands twice", 1),
    ("host_config: {c.org: {use_cache: false}}", "c.org is not in hosts", 2),
    ("use_cache: true\nuse_cache: false", "use_cache: stands twice", 3),
    ("host_config:\n  a.org: {use_cache: true, use_cache: true}", "stands twice", 3),
    ("extauth_pool_size: 1\nextauth_instances: 2", "extauth_pool_size: stands twice", 3),
    ("extauth_pool_size: 0", "a number from 1 on", 2),
    ("extauth_pool_size: many", "a number from 1 on", 2),
    ("append_host_config: {a.org: {use_cache: true}}", "lists and mappings only", 2),
    ("auth_use_cache: False", "in lower case, not False", 2),
    ("use_cache: 0", "use_cache: expected true or false", 2),
    ("define_keyword: {CACHE: false}\nuse_cache: '@CACHE@'", "not @CACHE@", 3),
    ("listen:\n  - tls: TRUE", "tls: expected true or false", 3),
    ("include_config_file: {macro.yml: {allow_only: [use_cache]}}", "not CACHE", 2),
    ("define_macro: {A: B, B: A}\nuse_cache: A", "stands for itself", None),
    ("auth_method: &methods [external]\nx: *methods", "no YAML aliases", 3),
]


@pytest.mark.parametrize(("text", "why", "line"), BAD)
def test_what_ejabberd_would_not_start_with_is_named_with_its_line(
    tmp_path: Path, text: str, why: str, line: int | None
) -> None:
    with pytest.raises(EjabberdYmlError, match=why) as bad:
        read(
            tmp_path,
            text,
            more="use_cache: true\n",
            macro="define_macro: {CACHE: true}\nuse_cache: CACHE\n",
        )
    if line:
        assert bad.value.where.endswith(f".yml:{line}")


def test_no_text_at_all_and_text_in_another_encoding(tmp_path: Path) -> None:
    file = tmp_path / "ejabberd.yml"
    file.write_text("")
    with pytest.raises(EjabberdYmlError, match="hosts"):
        EjabberdYml(file)
    file.write_bytes("hosts: [a.org] # caf\xe9".encode("latin-1"))
    with pytest.raises(EjabberdYmlError, match="UTF-8"):
        EjabberdYml(file)
    with pytest.raises(EjabberdYmlError, match="cannot be read"):
        EjabberdYml(tmp_path)


def test_a_host_is_compared_as_xmpp_does(tmp_path: Path) -> None:
    composed, decomposed = "caf\u00e9.example", "CAFE\u0301.example"
    text = f"hosts: [{composed}]\nhost_config: {{{decomposed}: {{auth_method: ldap}}}}\n"
    yml = read(tmp_path, text)
    assert yml.hosts == [composed]
    assert words(yml.option(composed, "auth_method")) == ["ldap"]


def test_a_working_directory_that_is_closed_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As stat(2) does for whoever is not ejabberd."""

    def closed(self: Path, **_: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "stat", closed)
        yml = read(tmp_path, "include_config_file: more.yml", more="auth_use_cache: false\n")
    assert yml.option("a.org", "auth_use_cache") is not None
