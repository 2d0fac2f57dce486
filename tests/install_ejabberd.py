"""Installs what the tests need from Debian: `make test` runs this first.

Nothing that runs on this machine is touched: no service of a package is started nor, under
systemd, left enabled; no package is removed, and one of which the machine has a configuration of
its own is left to its owner. Where a package cannot be had, one line says why and its tests are
skipped; with `CI=true` in the environment that is a failure instead.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Package:
    """A Debian package, how to tell that it is there, and what it would bring to life."""

    name: str
    present: str  # a file of it, as a glob below /
    configuration: Path  # a folder that is there only where somebody uses the package
    services: tuple[str, ...]


EJABBERD_APP = "usr/lib/*/ejabberd-*/ebin/ejabberd.app"
PACKAGES = (
    Package(
        "ejabberd",
        EJABBERD_APP,
        Path("/etc/ejabberd"),
        ("ejabberd.service", "epmd.service", "epmd.socket"),
    ),
    Package(
        "erlang-p1-oauth2",  # without it ejabberd issues no OAuth tokens
        "usr/lib/erlang/lib/p1_oauth2-*/ebin/oauth2.beam",
        Path("/etc/erlang-p1-oauth2"),
        (),
    ),
    Package("strace", "usr/bin/strace", Path("/etc/strace"), ()),
    Package("nginx-light", "usr/sbin/nginx", Path("/etc/nginx"), ("nginx.service",)),
)

# policy-rc.d is what Debian's packages ask before they start a service (101: do not). The
# machine's own is put back whatever happens.
INSTALL = """
policy=/usr/sbin/policy-rc.d
aside=$(mktemp -d)
put_back() {
    rm -f "$policy"
    if [ -e "$aside/policy-rc.d" ]; then mv "$aside/policy-rc.d" "$policy"; fi
    rm -rf "$aside"
}
trap put_back EXIT
trap 'exit 1' HUP INT TERM
if [ -e "$policy" ]; then cp -p "$policy" "$aside/policy-rc.d"; fi
printf '#!/bin/sh\\nexit 101\\n' >"$policy"
chmod 755 "$policy"
export DEBIAN_FRONTEND=noninteractive
apt-get -q -o DPkg::Lock::Timeout=300 update || echo 'apt-get update failed' >&2
apt-get -q -y -o DPkg::Lock::Timeout=300 --no-install-recommends --no-remove install "$@"
"""


def missing() -> list[Package]:
    return [package for package in PACKAGES if not any(Path("/").glob(package.present))]


def as_root() -> list[str] | None:
    """The words before a command that make root run it; None where that is not possible."""
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
    except OSError:  # it is gone by now
        return False
    return words[0].endswith(b"/beam.smp") and b"ejabberd" in words


def obstacle(package: Package) -> str | None:
    """Why this package must not or cannot be installed here."""
    if not shutil.which("apt-get"):
        return "no apt-get on this machine"
    if as_root() is None:
        return "neither root nor a sudo that asks for no password"
    if package.configuration.exists():
        return f"{package.configuration} is there: this machine has a set-up of its own"
    if any(map(is_running_ejabberd, Path("/proc").glob("[0-9]*/cmdline"))):
        return "an ejabberd is running on this machine"
    return None


def units(packages: list[Package]) -> set[str]:
    """Those services of the packages that systemd knows here."""
    return {
        service
        for package in packages
        for service in package.services
        if Path("/lib/systemd/system", service).exists()
    }


def install(packages: list[Package]) -> None:
    root = as_root() or []
    names = [package.name for package in packages]
    owners = units(packages)  # another package's epmd is not ours to disable
    subprocess.run([*root, "sh", "-euc", INSTALL, "sh", *names], stdin=subprocess.DEVNULL)
    brought = units(packages) - owners
    if brought and shutil.which("systemctl"):
        # Debian enables a package's services for the next boot.
        subprocess.run([*root, "systemctl", "disable", "--quiet", *sorted(brought)])


def main() -> int:
    obstacles = {package: obstacle(package) for package in missing()}
    to_install = [package for package, reason in obstacles.items() if reason is None]
    if to_install:
        install(to_install)
    still_missing = missing()
    for package in still_missing:
        reason = obstacles[package] or "apt-get could not install it"
        print(f"tests: no {package.name}: {reason}", file=sys.stderr)
    return 1 if still_missing and os.environ.get("CI") == "true" else 0


if __name__ == "__main__":
    sys.exit(main())
