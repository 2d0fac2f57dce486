"""Install the Debian packages that the tests need: ``make test`` runs this first.

Nothing that runs on this machine is touched. No service of a package is started nor, under
systemd, left enabled. No package is removed. A package that the machine already has a
configuration for is left alone. If a package cannot be installed, one line says why and its tests
are skipped; with ``CI=true`` in the environment this is a failure.
"""

import os
import shutil
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Package:
    """A Debian package that tests use."""

    name: str
    purpose: str
    present: str  # a file of the package, as a glob below /
    configuration: Path  # a folder that exists only on machines that use the package
    services: tuple[str, ...] = ()  # systemd units that the package would start
    is_in_each_release: bool = True  # if not, its tests are skipped where Debian lacks it


EJABBERD_APP = "usr/lib/*/ejabberd-*/ebin/ejabberd.app"
PACKAGES = (
    Package(
        "ejabberd",
        "the end-to-end tests run it",
        EJABBERD_APP,
        Path("/etc/ejabberd"),
        ("ejabberd.service", "epmd.service", "epmd.socket"),
    ),
    Package(
        "erlang-p1-oauth2",
        "ejabberd issues OAuth tokens with it",
        "usr/lib/erlang/lib/p1_oauth2-*/ebin/oauth2.beam",
        Path("/etc/erlang-p1-oauth2"),
    ),
    Package(
        "prosody",
        "the end-to-end tests of the Prosody module run it",
        "usr/bin/prosody",
        Path("/etc/prosody"),
        ("prosody.service",),
    ),
    Package("openssl", "it signs for the tests of jsxc", "usr/bin/openssl", Path("/etc/openssl")),
    Package("strace", "it delays writes to a log", "usr/bin/strace", Path("/etc/strace")),
    Package(
        "nginx-light",
        "the tests of the status backend ask it",
        "usr/sbin/nginx",
        Path("/etc/nginx"),
        ("nginx.service",),
    ),
    Package(
        "dbconfig-sqlite3",
        "Glewlwyd is configured by it",
        "usr/share/doc/dbconfig-sqlite3/copyright",
        Path("/etc/dbconfig-sqlite3"),
    ),
    Package(
        "glewlwyd",
        "the test of its recipe asks it",
        "usr/bin/glewlwyd",
        Path("/etc/glewlwyd"),
        ("glewlwyd.service",),
        is_in_each_release=False,
    ),
    Package(
        "sqlite3", "it creates a database for Glewlwyd", "usr/bin/sqlite3", Path("/etc/sqlite3")
    ),
    Package(
        "apache2-utils",
        "its htpasswd writes a file that a test reads",
        "usr/bin/htpasswd",
        Path("/etc/apache2-utils"),
    ),
)

# Debian's packages run policy-rc.d before they start a service; 101 means "do not start it". The
# machine's own file is restored in any case.
INSTALL = """
policy=/usr/sbin/policy-rc.d
saved=$(mktemp -d)
restore() {
    rm -f "$policy"
    if [ -e "$saved/policy-rc.d" ]; then mv "$saved/policy-rc.d" "$policy"; fi
    rm -rf "$saved"
}
trap restore EXIT
trap 'exit 1' HUP INT TERM
if [ -e "$policy" ]; then cp -p "$policy" "$saved/policy-rc.d"; fi
printf '#!/bin/sh\\nexit 101\\n' >"$policy"
chmod 755 "$policy"
export DEBIAN_FRONTEND=noninteractive
apt-get -q -o DPkg::Lock::Timeout=300 update || echo 'apt-get update failed' >&2
# A name that ends with "?" is left out if the release has no such package.
for name in "$@"; do
    shift
    case $name in
    *\\?) apt-cache show "${name%\\?}" >/dev/null 2>&1 || continue ;;
    esac
    set -- "$@" "${name%\\?}"
done
apt-get -q -y -o DPkg::Lock::Timeout=300 --no-install-recommends --no-remove install "$@"
"""


def missing_packages() -> list[Package]:
    return [package for package in PACKAGES if not any(Path("/").glob(package.present))]


def root_command() -> list[str] | None:
    """The words before a command that run it as root; None if this user cannot become root."""
    if os.geteuid() == 0:
        return []
    sudo = ["sudo", "-n"]
    if (
        shutil.which("sudo")
        and subprocess.run([*sudo, "true"], capture_output=True).returncode == 0
    ):
        return sudo
    return None


def is_running_ejabberd(cmdline: Path) -> bool:
    try:
        words = cmdline.read_bytes().split(b"\0")
    except OSError:  # the process has ended
        return False
    return words[0].endswith(b"/beam.smp") and b"ejabberd" in words


def obstacle(package: Package) -> str | None:
    """Why this package must not or cannot be installed here."""
    if not shutil.which("apt-get"):
        return "no apt-get on this machine"
    if root_command() is None:
        return "needs root, or a sudo that asks for no password"
    if package.configuration.exists():
        return f"{package.configuration} exists: this machine has its own configuration"
    if any(map(is_running_ejabberd, Path("/proc").glob("[0-9]*/cmdline"))):
        return "an ejabberd is running on this machine"
    return None


def units(packages: list[Package]) -> set[str]:
    """The services of the packages that systemd knows here."""
    return {
        service
        for package in packages
        for service in package.services
        if Path("/lib/systemd/system", service).exists()
    }


def install(packages: list[Package]) -> None:
    root = root_command() or []
    names = [f"{package.name}{'' if package.is_in_each_release else '?'}" for package in packages]
    units_before = units(packages)  # another package's epmd must stay enabled
    subprocess.run([*root, "sh", "-euc", INSTALL, "sh", *names], stdin=subprocess.DEVNULL)
    new_units = units(packages) - units_before
    if new_units and shutil.which("systemctl"):
        # Debian enables a package's services for the next boot.
        subprocess.run([*root, "systemctl", "disable", "--quiet", *sorted(new_units)])


def main() -> int:
    obstacles = {package: obstacle(package) for package in missing_packages()}
    to_install = [package for package, reason in obstacles.items() if reason is None]
    if to_install:
        purposes = ", ".join(f"{package.name} ({package.purpose})" for package in to_install)
        print(f"tests: apt-get installs {purposes}", file=sys.stderr, flush=True)
        install(to_install)
    not_installed = defaultdict(list)
    is_complete = True
    for package in missing_packages():
        failed = "apt-get could not install it"
        if not package.is_in_each_release:
            failed = "this Debian release may not have it"
        reason = obstacles[package] or failed
        not_installed[reason].append(package.name)
        is_complete = (
            is_complete and reason != obstacles[package] and not package.is_in_each_release
        )
    for reason, names in not_installed.items():
        print(f"tests: skipped without {', '.join(names)}: {reason}", file=sys.stderr)
    return 0 if is_complete or os.environ.get("CI") != "true" else 1


if __name__ == "__main__":
    sys.exit(main())
