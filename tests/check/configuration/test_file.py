"""The configuration of extauth-http: each problem has a finding."""

from pathlib import Path

import pytest

from extauth_http.check.account import Account
from tests.check.configuration.files import BACKEND, SECRET, found_of, written
from tests.check.findings import bad, ids, one

GOOD = [
    (BACKEND, {"config-valid", "config-readable"}),
    (BACKEND + SECRET, {"config-valid"}),
    ("[log]\nfile = '{folder}/log'\n" + BACKEND, {"config-valid"}),
    (BACKEND.replace("http://127.0.0.1", "https://auth.example.org"), {"config-valid"}),
]


@pytest.mark.parametrize(("text", "expected"), GOOD)
def test_a_good_configuration_has_good_findings_only(
    tmp_path: Path, account: Account, text: str, expected: set[str]
) -> None:
    found = found_of(written(tmp_path, text.format(folder=tmp_path)), account)
    assert expected <= ids(found)
    assert not bad(found)


BAD = [
    ("deadline = 40\n" + BACKEND, "config-invalid", "deadline = 8.0"),
    ("no = 1\n" + BACKEND, "config-invalid", ""),
    ("[backend\n", "config-invalid", ""),
    (f"a = {'[' * 9000}", "config-invalid", ""),
    (f"a = {'9' * 5000}", "config-invalid", ""),
    ("", "config-invalid", ""),
]


@pytest.mark.parametrize(("text", "identity", "line"), BAD)
def test_each_problem_has_a_finding_with_the_line_to_write(
    tmp_path: Path, account: Account, text: str, identity: str, line: str
) -> None:
    found = found_of(written(tmp_path, text), account)
    assert bad(found) == {identity}
    assert one(found, identity).line == line


def test_a_missing_file_has_a_minimal_configuration_that_is_valid(
    tmp_path: Path, account: Account
) -> None:
    (finding,) = found_of(tmp_path / "nowhere.toml", account)
    assert finding.id == "config-missing"
    assert "nowhere.toml does not exist" in finding.found
    assert not bad(found_of(written(tmp_path, finding.line), account))


def test_a_relative_path_is_relative_to_the_current_folder(
    tmp_path: Path, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, BACKEND)
    monkeypatch.chdir(tmp_path)
    assert not bad(found_of(Path("extauth-http.toml"), account))


def test_variables_of_the_environment_are_a_warning_without_their_values(
    tmp_path: Path, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXTAUTH_HTTP_BACKEND__URL", "http://127.0.0.1:1/swordfish")
    found = found_of(written(tmp_path, BACKEND), account)
    assert one(found, "config-environment").line == "unset EXTAUTH_HTTP_BACKEND__URL"
    assert "swordfish" not in str(found)
