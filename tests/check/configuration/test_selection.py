"""Which configuration the program of each virtual host uses."""

from pathlib import Path

import pytest
import yaml

from extauth_http.check.configuration import selection
from extauth_http.check.ejabberd_yml.parser import EjabberdYml
from extauth_http.config import loader
from tests.settings import settings_of

OURS = "/opt/x/extauth-http"
OTHER = "/usr/local/bin/check.pl"


@pytest.fixture(autouse=True)
def _default_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "DEFAULT_FILE", tmp_path / "default.toml")


def parsed(folder: Path, **programs: str) -> EjabberdYml:
    """One virtual host for each program."""
    hosts = {f"{name}.org": program for name, program in programs.items()}
    own = {host: {"extauth_program": program} for host, program in hosts.items() if program}
    file = folder / "ejabberd.yml"
    file.write_text(yaml.safe_dump({"hosts": list(hosts), "host_config": own}))
    return EjabberdYml(file)


FILES: list[tuple[dict[str, str], str | None, dict[str | None, list[str]]]] = [
    # the program of each host, --config, the files to check with their hosts
    ({"a": f"{OURS} --config /a.toml"}, None, {"/a.toml": ["a.org"]}),
    ({"a": f"{OURS} --config a.toml"}, None, {"/a.toml": ["a.org"]}),
    ({"a": OURS, "b": ""}, None, {None: ["a.org", "b.org"]}),
    (
        {"a": f"{OURS} --config /a.toml", "b": f"{OURS} --config /b.toml", "c": OTHER},
        None,
        {"/a.toml": ["a.org"], "/b.toml": ["b.org"]},
    ),
    ({"a": f"{OURS} --config /a.toml", "b": OTHER}, "/x.toml", {"/x.toml": ["a.org"]}),
    ({"a": OTHER}, None, {}),
    ({"a": OTHER}, "/x.toml", {"/x.toml": []}),
    ({"a": f"{OURS} relay"}, None, {}),
]


@pytest.mark.parametrize(("programs", "chosen", "expected"), FILES)
def test_each_file_is_checked_once_with_its_hosts(
    tmp_path: Path,
    programs: dict[str, str],
    chosen: str | None,
    expected: dict[str | None, list[str]],
) -> None:
    files = selection.files_of_hosts(parsed(tmp_path, **programs), Path(chosen) if chosen else None)
    assert files == {Path(name) if name else None: hosts for name, hosts in expected.items()}


@pytest.mark.parametrize("chosen", [None, Path("/x.toml")])
def test_without_ejabberd_yml_it_is_the_file_of_the_option(chosen: Path | None) -> None:
    assert selection.files_of_hosts(None, chosen) == {chosen: []}


def test_a_relay_uses_the_file_of_the_option_if_it_exists(tmp_path: Path) -> None:
    yml = parsed(tmp_path, a=f"{OURS} relay")
    file = tmp_path / "service.toml"
    assert [each.id for each in selection.findings(yml, file)] == ["config-of-service"]
    file.touch()
    assert selection.files_of_hosts(yml, file) == {file: ["a.org"]}
    assert not list(selection.findings(yml, file))


@pytest.mark.parametrize(
    ("programs", "expected"),
    [
        ({"a": f"{OURS} relay", "b": f"{OURS} relay"}, True),
        ({"a": f"{OURS} relay", "b": OURS}, False),
        ({"a": f"{OURS} relay", "b": ""}, False),
    ],
)
def test_serve_reads_the_file_only_if_each_program_is_a_relay(
    tmp_path: Path, programs: dict[str, str], expected: bool
) -> None:
    assert selection.is_read_by_service(parsed(tmp_path, **programs)) is expected
    assert not selection.is_read_by_service(None)


DIFFERENT = [
    (f"{OURS} --config a.toml", None, {"config-relative"}),
    (f"{OURS} --config a.toml", Path("/b.toml"), {"config-relative"}),
    (f"{OURS} --config /a.toml", None, set()),
    (f"{OURS} --config /a.toml", Path("/a.toml"), set()),
    (f"{OURS} --config /a.toml", Path("/b.toml"), {"config-other"}),
    (OURS, Path("/b.toml"), {"config-other"}),
    (OTHER, Path("/b.toml"), set()),
]


@pytest.mark.parametrize(("program", "chosen", "expected"), DIFFERENT)
def test_a_program_that_uses_another_file_has_a_warning_with_its_line(
    tmp_path: Path, program: str, chosen: Path | None, expected: set[str]
) -> None:
    found = list(selection.findings(parsed(tmp_path, a=program), chosen))
    assert {each.id for each in found} == expected
    for each in found:
        assert each.place == ("host_config", "a.org")
        line = yaml.safe_load(each.line)["extauth_program"]
        assert Path(line.rpartition(" ")[2]).is_absolute()


@pytest.mark.parametrize(
    ("tables", "found"),
    [
        (["exmaple.org"], ["example.org"]),
        (["example.org"], []),
        (["exmaple.org", "example.org"], []),
        (["b.net"], []),
    ],
)
def test_a_table_whose_name_is_almost_that_of_a_host_is_a_warning(
    tmp_path: Path, tables: list[str], found: list[str]
) -> None:
    backend = {"kind": "status", "url": "http://127.0.0.1/"}
    hosts = {host: {"backend": backend} for host in tables}
    yml = parsed(tmp_path, example=OURS, other=OURS)
    findings = [*selection.misspelled_hosts(settings_of(hosts=hosts), yml)]
    assert [each.host for each in findings] == found
    assert {each.id for each in findings} <= {"hosts-misspelled"}
    assert all(each.line == f'[hosts."{each.host}".backend]' for each in findings)
