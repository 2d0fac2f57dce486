"""include_config_file."""

from pathlib import Path

import pytest

from extauth_http.check.ejabberd_yml.yaml_values import EjabberdYmlError
from tests.check.ejabberd_yml.files import parse, words

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
def test_an_included_file_counts_as_far_as_its_rules_allow(
    tmp_path: Path, line: str, counts: bool
) -> None:
    more = "# a macro of another file\nauth_use_cache: CACHE\ndefine_macro: {CACHE: false}\n"
    yml = parse(tmp_path, line, more=more, nested="include_config_file: more.yml\n", empty="")
    option = yml.option("a.org", "auth_use_cache")
    assert (option is not None) == counts
    if option:
        assert option.value.where == f"{tmp_path / 'more.yml'}:2"


def test_a_nested_include_is_not_searched_beside_the_file_that_contains_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/first.yml").write_text("include_config_file: second.yml\n")
    (tmp_path / "sub/second.yml").write_text("")
    with pytest.raises(EjabberdYmlError, match=r"second\.yml: cannot be read"):
        parse(tmp_path, "include_config_file: sub/first.yml")
    (tmp_path / "second.yml").write_text("")
    assert len(parse(tmp_path, "include_config_file: sub/first.yml").relative_includes) == 2


def test_lists_and_mappings_of_included_files_are_merged(
    tmp_path: Path,
) -> None:
    lines = "auth_method: [external]\nhost_config: {a.org: {use_cache: true}}\n"
    more = "auth_method: [ldap]\nhost_config: {a.org: {auth_use_cache: true}}\n"
    yml = parse(tmp_path, f"{lines}include_config_file: more.yml", more=more)
    assert words(yml.option("a.org", "auth_method")) == ["external", "ldap"]
    assert words(yml.option("a.org", "use_cache")) == ["True"]
    assert words(yml.option("a.org", "auth_use_cache")) == ["True"]


def test_a_closed_working_directory_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(self: Path, **_: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "stat", closed)
        yml = parse(tmp_path, "include_config_file: more.yml", more="auth_use_cache: false\n")
    assert yml.option("a.org", "auth_use_cache") is not None
