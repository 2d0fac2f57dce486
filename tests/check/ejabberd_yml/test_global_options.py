"""Obsolete options and relative includes."""

from pathlib import Path

import yaml

from tests.check.ejabberd_yml.files import findings_of


def test_an_option_without_effect_is_to_be_removed_not_replaced(tmp_path: Path) -> None:
    found = findings_of(
        tmp_path,
        "auth_use_cache: false\nhost_config: {example.org: {extauth_cache: 5}}",
    )["extauth-cache"]
    assert found.line == ""
    assert found.details == ("remove extauth_cache from host_config.example.org",)


def test_the_line_for_an_included_file_has_its_absolute_path(tmp_path: Path) -> None:
    (tmp_path / "more.yml").write_text("use_cache: true\n")
    rules = {"allow_only": ["use_cache"]}
    found = findings_of(tmp_path, yaml.safe_dump({"include_config_file": {"more.yml": rules}}))
    line = yaml.safe_load(found["include-relative"].line)
    assert line == {"include_config_file": {str(tmp_path / "more.yml"): rules}}
    assert "include-relative" not in findings_of(tmp_path, yaml.safe_dump(line))
