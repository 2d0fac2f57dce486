"""Collects what the installed program needs: ``private_folder.py FOLDER SUBSTVARS``.

Runs in the virtual environment into which pip has installed the program, beside the Python packages
of Debian. pip has left out each package that Debian has in a sufficient version: the Debian package
becomes a dependency. The other ones, and the program, are copied into FOLDER.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

PROGRAM = Requirement("extauth-http[htpasswd,jwt,signals]")
DEBIAN = Path("/usr/lib/python3/dist-packages")
RELATIONS = {">=": ">=", "~=": ">=", "<": "<<"}
"""Operators of Python and of Debian; the other ones have no use here."""

NOT_COPIED = ("__pycache__", "RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
"""They describe the virtual environment."""


@dataclass(slots=True)
class Package:
    """A Python package, and the versions that the packages that use it require."""

    distribution: Distribution
    versions: set[str] = field(default_factory=set)

    @property
    def folder(self) -> Path:
        return Path(str(self.distribution.locate_file("")))

    @property
    def is_of_debian(self) -> bool:
        return self.folder == DEBIAN


def needed_packages() -> dict[str, Package]:
    """The program and all packages that it needs, except what packages of Debian need."""
    found: dict[str, Package] = {}
    visited: set[tuple[str, str]] = set()
    pending = [PROGRAM]
    while pending:
        requirement = pending.pop()
        name = canonicalize_name(requirement.name)
        package = found.setdefault(name, Package(distribution(name)))
        package.versions |= {str(each) for each in requirement.specifier}
        for extra in {"", *requirement.extras} - {each for n, each in visited if n == name}:
            visited.add((name, extra))
            pending += requirements(package, extra)
    return found


def requirements(package: Package, extra: str) -> Iterator[Requirement]:
    """What one extra of a package requires, or without an extra the package itself."""
    if package.is_of_debian and not extra:
        return  # Debian's package has its own dependencies
    for line in package.distribution.requires or []:
        requirement = Requirement(line)
        marker = requirement.marker
        is_always_needed = not marker or marker.evaluate({"extra": ""})
        if is_always_needed if not extra else marker and marker.evaluate({"extra": extra}):
            yield requirement


def dependencies(package: Package) -> Iterator[str]:
    """The relations of a Debian package, in the syntax of ``Depends``."""
    metadata = package.distribution._path  # type: ignore[attr-defined]
    query = ["dpkg-query", "--search", str(metadata)]
    name = _output(query).partition(":")[0]
    installed = _output(["dpkg-query", "--show", "--showformat=${Version}", name])
    epoch = f"{installed.partition(':')[0]}:" if ":" in installed else ""
    relations = [
        f"{name} ({RELATIONS[each.operator]} {epoch}{each.version})"
        for each in SpecifierSet(",".join(sorted(package.versions)))
        if each.operator in RELATIONS
    ]
    yield from relations or [name]


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def copy(package: Package, folder: Path) -> None:
    """Copies the modules and the metadata of a package that pip has installed."""
    files = package.distribution.files or []
    for name in sorted({file.parts[0] for file in files} - {"..", *NOT_COPIED}):
        source = package.folder / name
        if source.is_dir():
            ignore = shutil.ignore_patterns(*NOT_COPIED)
            shutil.copytree(source, folder / name, ignore=ignore, dirs_exist_ok=True)
        else:
            shutil.copy(source, folder / name)


def python_versions(folder: Path) -> list[str]:
    """The version of Python that compiled modules need; empty without such modules."""
    this, following = (f"{sys.version_info[0]}.{sys.version_info[1] + more}" for more in (0, 1))
    if not any(folder.rglob("*.cpython-3*.so")):
        return []
    return [f"python3 (>= {this}~)", f"python3 (<< {following})"]


def main(folder: Path, substvars: Path) -> None:
    folder.mkdir(parents=True)
    packages = needed_packages()
    depends: list[str] = []
    for name, package in sorted(packages.items()):
        if package.is_of_debian:
            depends += dependencies(package)
        else:
            copy(package, folder)
            print(f"{name} {package.distribution.version}")
    depends += python_versions(folder)
    substvars.write_text(f"private:Depends={', '.join(sorted(set(depends)))}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
