"""Whole configurations, each with what is to be changed in it; see the README beside them."""

import getpass
import json
import subprocess
import sys
from pathlib import Path

import pytest

from extauth_http.check.finding import Level
from tests.check.ejabberd_yml.files import all_findings

FOLDER = Path(__file__).parent / "whole_files"

# Host (empty for all), what was found, and the place of the line.
TO_CHANGE: dict[str, set[tuple[str, str, tuple[str | int, ...]]]] = {
    "as-shipped": {
        ("localhost", "auth-method-not-external", ()),
        ("localhost", "extauth-program-missing", ()),
        ("localhost", "cache-on", ()),
        ("localhost", "user-exists-check", ()),
        ("localhost", "mod-fail2ban", ("modules", "mod_fail2ban")),
        ("", "listener-mqtt", ("listen", 4)),
    },
    "external-script": {("example.org", "oauth", ()), ("example.net", "oauth", ())},
    "old-external-script": {
        ("example.org", "cache-on", ()),
        ("example.org", "oauth", ()),
        ("", "extauth-cache", ()),
        ("", "extauth-instances", ()),
    },
    "two-methods": {
        ("example.org", "auth-method-not-external", ("host_config", "example.org")),
        ("example.org", "cache-on", ()),
    },
    "cached-on-one-host": {("b.example", "cache-on", ("host_config", "b.example"))},
    "use-cache-off": {("b.example", "cache-on", ())},
    "appended": {
        ("guests.example", "anonymous", ()),
        ("guests.example", "plain-disabled", ()),
        ("guests.example", "mod-auth-fast", ()),
    },
    "modules-of-a-host": {("a.example", "mod-auth-fast", ())},
    "macros": {("a.example", "auth-method-beside", ())},
    "included": {("", "include-relative", ())},
}


def test_every_file_is_listed() -> None:
    assert {file.stem for file in FOLDER.glob("*.yml")} == TO_CHANGE.keys()


@pytest.mark.parametrize("name", TO_CHANGE)
def test_what_is_to_be_changed_is_found_and_nothing_else(name: str) -> None:
    found = {
        (each.host, each.id, each.place)
        for each in all_findings(FOLDER / f"{name}.yml")
        if each.level is not Level.GOOD
    }
    assert found == TO_CHANGE[name]


def test_the_file_as_shipped_is_checked_where_nothing_is_configured_yet(tmp_path: Path) -> None:
    program = Path(sys.executable).parent / "extauth-http"
    arguments: list[str | Path] = ["check", "--ejabberd-yml", FOLDER / "as-shipped.yml", "--json"]
    checked = subprocess.run(
        [program, *arguments, "--run-as", getpass.getuser()],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert (checked.returncode, checked.stderr) == (2, "")
    found = {(each["host"], each["id"]) for each in json.loads(checked.stdout)["findings"]}
    assert found >= {(host, name) for host, name, _ in TO_CHANGE["as-shipped"]}
