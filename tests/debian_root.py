"""The root file system of a Debian release, made by debootstrap and kept in ``.cache``."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

SUITES = ("bookworm", "trixie", "sid")

# What a command mounts or starts in these namespaces ends with it.
NAMESPACES = ("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child")

# apt resolves all dependencies. debootstrap takes only the first of several alternatives, which
# fails for Prosody on bookworm. No service is started.
INSTALL = """
root=$1
shift
mount -t proc proc "$root/proc"
printf '#!/bin/sh\\nexit 101\\n' > "$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
export DEBIAN_FRONTEND=noninteractive
apt="chroot $root apt-get --quiet --yes --no-install-recommends"
$apt --option Acquire::Check-Valid-Until=false update
$apt install "$@"
rm "$root/usr/sbin/policy-rc.d"
"""


def require_root_and_debootstrap(command: str) -> None:
    """Exits with one line if this user or machine cannot make a root."""
    if os.geteuid() != 0:
        sys.exit(f"{command}: needs root, for chroot")
    if not shutil.which("debootstrap"):
        sys.exit(f"{command}: needs debootstrap: apt-get install debootstrap")


def mirror() -> str:
    """The address of the Debian mirror that this machine's apt uses."""
    targets = subprocess.run(
        [
            *("apt-get", "indextargets", "--format", "$(REPO_URI)"),
            *("Identifier: Packages", "Label: Debian"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    addresses = targets.stdout.split()
    if not addresses:
        sys.exit("apt knows no Debian mirror on this machine: run `apt-get update`")
    return addresses[0]


def debian_root(suite: str, packages: Sequence[str], folder: Path) -> Path:
    """The root of a minimal Debian with these packages in `folder`; it is made if it is missing."""
    root = folder / suite
    if not root.exists():
        print(f"debootstrap: {suite} into {root}", flush=True)
        unfinished = folder / f"{suite}.unfinished"
        if unfinished.exists():
            shutil.rmtree(unfinished)
        folder.mkdir(parents=True, exist_ok=True)
        debootstrap = ["debootstrap", "--variant=minbase", suite, str(unfinished), mirror()]
        install = ["sh", "-euc", INSTALL, "sh", str(unfinished), *packages]
        for command in (debootstrap, install):
            made = subprocess.run(
                [*NAMESPACES, *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            if made.returncode:
                sys.exit(f"{command[0]} {suite} failed:\n{made.stdout[-2000:]}")
        unfinished.rename(root)
    return root
