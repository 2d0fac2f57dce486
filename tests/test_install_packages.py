"""``make test`` says what it installs and why, and what it could not install."""

import sys
from pathlib import Path

import pytest

from tests import install_packages
from tests.install_packages import Package

SERVER = Package("server", "tests run it", "none", Path("/none"))
TRACER = Package("tracer", "tests trace with it", "none", Path("/none"))
NO_ROOT = "needs root, or a sudo that asks for no password"
ANNOUNCED = "tests: apt-get installs server (tests run it), tracer (tests trace with it)"
SKIPPED = "tests: skipped without server, tracer: "


@pytest.mark.parametrize("ci", [True, False], ids=["CI", "developer"])
@pytest.mark.parametrize(
    ("missing", "obstacle", "apt_works", "lines"),
    [
        ([], None, True, []),
        ([SERVER, TRACER], None, True, [ANNOUNCED, "apt-get runs"]),
        (
            [SERVER, TRACER],
            None,
            False,
            [ANNOUNCED, "apt-get runs", f"{SKIPPED}apt-get could not install it"],
        ),
        ([SERVER, TRACER], NO_ROOT, True, [f"{SKIPPED}{NO_ROOT}"]),
    ],
    ids=["nothing missing", "installed", "apt-get fails", "no root"],
)
def test_one_line_says_what_is_installed_and_one_what_is_skipped(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    missing: list[Package],
    obstacle: str | None,
    apt_works: bool,
    lines: list[str],
    ci: bool,
) -> None:
    not_there = list(missing)

    def install(packages: list[Package]) -> None:
        print("apt-get runs", file=sys.stderr)
        assert packages == missing
        if apt_works:
            not_there.clear()

    monkeypatch.setenv("CI", "true" if ci else "")
    monkeypatch.setattr(install_packages, "missing_packages", lambda: not_there)
    monkeypatch.setattr(install_packages, "obstacle", lambda _: obstacle)
    monkeypatch.setattr(install_packages, "install", install)
    exit_code = install_packages.main()
    assert capsys.readouterr().err.splitlines() == lines
    assert exit_code == (1 if ci and not_there else 0)


def test_a_package_that_a_release_does_not_have_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rare = Package("rare", "a test asks it", "none", Path("/none"), is_in_each_release=False)
    monkeypatch.setenv("CI", "true")
    monkeypatch.setattr(install_packages, "missing_packages", lambda: [rare])
    monkeypatch.setattr(install_packages, "obstacle", lambda _: None)
    monkeypatch.setattr(install_packages, "install", lambda _: None)
    assert install_packages.main() == 0
    line = "tests: skipped without rare: this Debian release may not have it"
    assert line in capsys.readouterr().err
