"""Builds the Debian package for the release that this machine runs: ``make deb``.

The steps that need a network are here: apt installs the build dependencies if this is root, and
pip installs the Python packages that the release does not have in a sufficient version. Then
`dpkg-buildpackage` packs a copy of the checkout in `build/deb`, lintian reads the result, and it
is moved to `dist`.
"""

import os
import platform
import shutil
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
BUILD = PROJECT / "build" / "deb"
SOURCE = BUILD / "extauth-http"
DEBIAN = SOURCE / "debian"
TREE = DEBIAN / "tree"
"""The files of the package that debhelper does not collect."""

SUBSTVARS = DEBIAN / "private.substvars"
DIST = PROJECT / "dist"
EXTRAS = "htpasswd,jwt,signals"
ENVIRONMENT = BUILD / "environment"
MAINTAINER = "The extauth-http developers <extauth-http@localhost.localdomain>"

COMPLETIONS = {
    "bash": "usr/share/bash-completion/completions/extauth-http",
    "zsh": "usr/share/zsh/vendor-completions/_extauth-http",
}
FILES = {
    "bin/extauth-http": "usr/bin/extauth-http",
    "apparmor/extauth-http": "etc/apparmor.d/abstractions/extauth-http",
}
SHTAB = "shtab>=1.7"
"""What completion.py uses. The completion of version 1.5 for bash offers no commands."""

UNITS = (".service", ".socket", ".timer")
SUPPLEMENTARY_GROUP = ("Group=extauth-http\n", "Group=extauth-http\nSupplementaryGroups=ejabberd\n")
PYTHON_PACKAGES = (
    "python3-argon2",
    "python3-bcrypt",
    "python3-certifi",
    "python3-cryptography",
    "python3-hatchling",
    "python3-httptools",
    "python3-httpx",
    "python3-jwt",
    "python3-prometheus-client",
    "python3-pydantic-settings",
    "python3-pygments",
    "python3-rich",
    "python3-shtab",
    "python3-starlette",
    "python3-structlog",
    "python3-typing-extensions",
    "python3-uvicorn",
    "python3-yaml",
)
"""Debian's packages that the program can use. pip decides whether a version is sufficient."""


def run(*command: str | Path) -> None:
    subprocess.run(command, cwd=SOURCE, check=True)


def output(*command: str | Path, folder: Path = SOURCE) -> str:
    done = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def copy_checkout() -> None:
    """Copies the files of the checkout, also those that are not committed."""
    shutil.rmtree(BUILD, ignore_errors=True)
    listing = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, output(*listing, folder=PROJECT).split("\0")):
        source, target = PROJECT / name, SOURCE / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def release() -> tuple[str, str]:
    """The code name of this release, and what its packages have at the end of their version."""
    system = platform.freedesktop_os_release()
    codename = system.get("VERSION_CODENAME", "unstable")
    number = system.get("VERSION_ID")
    vendor = "deb" if system["ID"] == "debian" else system["ID"]
    return codename, f"{vendor}{number}" if number else codename


def version(system: str) -> tuple[str, datetime]:
    """The version, and its time. It increases with each commit, and with each build of changes that
    are not committed, until the version in pyproject.toml is released."""
    number = tomllib.loads((SOURCE / "pyproject.toml").read_text())["project"]["version"]
    time = datetime.fromtimestamp(
        int(output("git", "log", "-1", "--format=%ct", folder=PROJECT)), UTC
    )
    if output("git", "status", "--porcelain", folder=PROJECT):
        time = datetime.now(UTC)
    elif output("git", "tag", "--points-at", "HEAD", f"v{number}", folder=PROJECT):
        return f"{number}~{system}", time
    return f"{number}~git{time:%Y%m%d.%H%M%S}~{system}", time


def write_changelog() -> None:
    codename, system = release()
    number, time = version(system)
    text = (
        f"extauth-http ({number}) {codename}; urgency=medium\n\n"
        "  * The changes are in /usr/share/doc/extauth-http/CHANGELOG.md.gz.\n\n"
        f" -- {MAINTAINER}  {format_datetime(time)}\n"
    )
    (SOURCE / "debian" / "changelog").write_text(text)


def install_build_dependencies() -> None:
    if os.geteuid() != 0:
        print("make deb: not root, so apt installs no build dependencies", file=sys.stderr)
        return
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    apt = ("apt-get", "--quiet", "--yes", "--option=DPkg::Lock::Timeout=300")
    run(*apt, "update")
    known = set(output("apt-cache", "pkgnames", "python3-").split())
    run(*apt, "--no-install-recommends", "build-dep", SOURCE)
    available = [name for name in PYTHON_PACKAGES if name in known]
    run(*apt, "--no-install-recommends", "install", "lintian", *available)


def install_program() -> None:
    """Installs the program where pip also sees the Python packages of Debian."""
    run("/usr/bin/python3", "-m", "venv", ENVIRONMENT)
    (packages,) = ENVIRONMENT.glob("lib/python3*/site-packages")
    (packages / "debian.pth").write_text("/usr/lib/python3/dist-packages\n")
    build = tomllib.loads((SOURCE / "pyproject.toml").read_text())["build-system"]
    pip = (ENVIRONMENT / "bin" / "pip", "--quiet", "--disable-pip-version-check", "install")
    run(*pip, *build["requires"], SHTAB)
    run(*pip, "--no-build-isolation", f"{SOURCE}[{EXTRAS}]")


def write_tree() -> None:
    """Writes what the package contains beside the files in ``debian``."""
    tools, python = DEBIAN / "tools", ENVIRONMENT / "bin" / "python"
    program = TREE / "usr" / "lib" / "extauth-http"
    copied = output(python, tools / "private_folder.py", program, SUBSTVARS)
    print(f"make deb: Debian's packages are too old for these, or missing:\n{copied}", flush=True)
    for shell, file in COMPLETIONS.items():
        write(TREE / file, output(python, tools / "completion.py", shell))
    write(DEBIAN / "extauth-http.1", output(python, tools / "man_page.py"))
    configuration = (SOURCE / "examples" / "extauth-http.toml").read_text()
    text = configuration.replace("/etc/ejabberd/", "/etc/extauth-http/")
    write(TREE / "usr/share/extauth-http/extauth-http.toml", text)
    for source, file in FILES.items():
        target = TREE / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(DEBIAN / source, target)


def write_files_of_examples() -> None:
    """The units have no comment about their installation."""
    shutil.copy(SOURCE / "examples" / "logrotate.conf", DEBIAN / "extauth-http.logrotate")
    units = SOURCE / "examples" / "systemd"
    shutil.copy(units / "extauth-http.sysusers", DEBIAN / "extauth-http.sysusers")
    for unit in units.glob("*.*"):
        if unit.suffix in UNITS:
            text = unit.read_text()
            text = text[text.index("[Unit]") :].replace("/opt/extauth-http/bin/", "/usr/bin/")
            # The configuration is readable by ejabberd's group only.
            text = text.replace(*SUPPLEMENTARY_GROUP)
            write(DEBIAN / f"extauth-http.{unit.name}", text)


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def main() -> None:
    copy_checkout()
    write_changelog()
    write_files_of_examples()
    install_build_dependencies()
    install_program()
    write_tree()
    run("dpkg-buildpackage", "--build=binary", "--no-sign")
    (package,) = BUILD.glob("extauth-http_*.deb")
    run("lintian", "--allow-root", "--fail-on=error,warning", "--info", package)
    DIST.mkdir(exist_ok=True)
    shutil.move(package, DIST / package.name)
    print(f"make deb: {(DIST / package.name).relative_to(PROJECT)}")


if __name__ == "__main__":
    main()
