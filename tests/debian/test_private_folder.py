"""Which Python packages the Debian package contains, and which ones it depends on."""

import sys
import tomllib
from pathlib import Path

import pytest
from debian.tools import build, private_folder
from packaging.requirements import Requirement

PROJECT = Path(__file__).parents[2]
NAMES = {"argon2-cffi": "argon2", "pyjwt": "jwt", "pyyaml": "yaml"}
"""Packages whose name is another one in Debian."""


def add(folder: Path, name: str, version: str, *requires: str) -> None:
    """Installs a package with one module."""
    metadata = folder / f"{name}-{version}.dist-info"
    metadata.mkdir(parents=True)
    lines = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {r}" for r in requires)]
    (metadata / "METADATA").write_text("\n".join(lines) + "\n")
    (folder / f"{name}.py").write_text("")
    files = [f"{name}.py", f"{metadata.name}/METADATA", f"{metadata.name}/RECORD", "../bin/x"]
    (metadata / "RECORD").write_text("".join(f"{file},,\n" for file in files))


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program in a virtual environment, beside packages of Debian."""
    debian, environment = tmp_path / "debian", tmp_path / "environment"
    add(debian, "alpha", "1.5", "beta>=1", "gamma; extra == 'fast'", "delta; extra == 'other'")
    add(debian, "beta", "2")
    add(debian, "gamma", "3")
    add(debian, "own", "1")
    add(environment, "own", "2", "alpha[fast]<2", "windows; sys_platform == 'win32'")
    program = ("alpha>=1.4", "own~=2.0; extra == 'jwt'", "unused; extra == 'dev'")
    add(environment, "extauth_http", "1", *program)
    monkeypatch.setattr(sys, "path", [str(environment), str(debian)])
    monkeypatch.setattr(private_folder, "DEBIAN", debian)
    return tmp_path


def test_what_pip_installed_is_copied_and_the_packages_of_debian_are_not(packages: Path) -> None:
    found = private_folder.needed_packages()
    # beta is a matter of the Debian package alpha; gamma is not, because it is optional there.
    assert {name: each.is_of_debian for name, each in found.items()} == {
        "extauth-http": False,
        "own": False,
        "alpha": True,
        "gamma": True,
    }
    assert found["alpha"].versions == {">=1.4", "<2"}


def test_a_copy_has_the_modules_and_the_metadata(packages: Path) -> None:
    target = packages / "target"
    target.mkdir()
    private_folder.copy(private_folder.needed_packages()["own"], target)
    names = {str(file.relative_to(target)) for file in target.rglob("*") if file.is_file()}
    assert names == {"own.py", "own-2.dist-info/METADATA"}


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("1.5-1", ["python3-alpha (<< 2)", "python3-alpha (>= 1.4)"]),
        ("1:1.5-1", ["python3-alpha (<< 1:2)", "python3-alpha (>= 1:1.4)"]),
    ],
)
def test_a_dependency_has_the_versions_that_are_required(
    packages: Path, monkeypatch: pytest.MonkeyPatch, version: str, expected: list[str]
) -> None:
    outputs = {"--search": "python3-alpha: /usr/lib\n", "--show": version}
    monkeypatch.setattr(private_folder, "_output", lambda command: outputs[command[1]])
    found = private_folder.needed_packages()
    assert sorted(private_folder.dependencies(found["alpha"])) == expected
    assert list(private_folder.dependencies(found["gamma"])) == ["python3-alpha"]


def test_compiled_modules_need_the_python_that_they_are_compiled_for(tmp_path: Path) -> None:
    (tmp_path / "any.abi3.so").write_text("")
    assert private_folder.python_versions(tmp_path) == []
    (tmp_path / "module.cpython-311-x86_64-linux-gnu.so").write_text("")
    major, minor = sys.version_info[:2]
    expected = [f"python3 (>= {major}.{minor}~)", f"python3 (<< {major}.{minor + 1})"]
    assert private_folder.python_versions(tmp_path) == expected


def test_the_debian_package_of_each_dependency_is_known_to_the_build() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    extras = [project["optional-dependencies"][name] for name in build.EXTRAS.split(",")]
    names = {Requirement(line).name for line in sum(extras, project["dependencies"])}
    packages = {f"python3-{NAMES.get(name, name)}" for name in names}
    assert packages - set(build.PYTHON_PACKAGES) == set()
