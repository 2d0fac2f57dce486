"""The wheel of the program in a virtual environment of its own, without the checkout.

The environment contains the wheel and the packages that the wheel requires, and nothing else. The
packages are those of the test environment, so that no test needs a package index.
"""

import subprocess
import sys
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

CHECKOUT = Path(__file__).parents[1]


def build_wheel(folder: Path) -> Path:
    """Builds the wheel into ``folder`` and returns its path."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run([*command, "--directory", folder], cwd=CHECKOUT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def install_wheel(wheel: Path, environment: Path) -> Path:
    """Makes the virtual environment and returns the path of its ``extauth-http``."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    pip: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        environment / "bin" / "python",
    ]
    options = ["--quiet", "--no-deps", "--no-index", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", *options, wheel], check=True)
    (packages,) = environment.glob("lib/python3*/site-packages")
    (metadata,) = packages.glob("extauth_http-*.dist-info")
    for required in _required(Distribution.at(metadata), set()):
        _link(required, packages)
    return environment / "bin" / "extauth-http"


def _required(package: Distribution, extras: set[str]) -> list[Distribution]:
    """The packages that a package requires, directly and indirectly."""
    found: dict[tuple[str, frozenset[str]], Distribution] = {}
    pending = [(package, extras)]
    while pending:
        current, wanted = pending.pop()
        for line in current.requires or []:
            requirement = Requirement(line)
            key = requirement.name, frozenset(requirement.extras)
            marker = requirement.marker
            applies = not marker or any(
                marker.evaluate({"extra": extra}) for extra in ("", *wanted)
            )
            if applies and key not in found:
                found[key] = distribution(requirement.name)
                pending.append((found[key], requirement.extras))
    return list(found.values())


def _link(package: Distribution, packages: Path) -> None:
    for name in {file.parts[0] for file in package.files or []} - {"..", "__pycache__"}:
        link = packages / name
        if not link.exists():
            link.symlink_to(Path(str(package.locate_file(name))))
