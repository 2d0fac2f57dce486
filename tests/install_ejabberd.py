"""Puts Debian's ejabberd, and what else the tests need of Debian, on the machine.

Run by ``make test``. Nothing is started, and where ejabberd runs or is configured already nothing
is touched. Where a package cannot be had one line says why; in CI that is a failure.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NEEDED = {
    "ejabberd": "/usr/sbin/ejabberdctl",
    "nginx-light": "/usr/sbin/nginx",
    "strace": "/usr/bin/strace",
}
"""The packages, each with a file that shows that it is there."""

POLICY = Path("/usr/sbin/policy-rc.d")
"""Debian asks this program before a package starts its service; exit code 101 says no."""


def missing() -> list[str]:
    """The packages that are not on this machine."""
    return [name for name, file in NEEDED.items() if not Path(file).exists()]


def main() -> int:
    packages = missing()
    if not packages:
        return 0
    problem = install(packages)
    if problem is None:
        return 0
    print(f"tests that need {', '.join(packages)} are skipped: {problem}", file=sys.stderr)
    return 1 if os.environ.get("CI") else 0


def install(packages: list[str]) -> str | None:
    """Installs without starting anything; the reason why it could not, or None."""
    if os.geteuid() != 0:
        return f"not root; as root: apt-get install {' '.join(packages)}"
    if not shutil.which("apt-get"):
        return "no apt-get on this machine"
    before = POLICY.read_bytes() if POLICY.exists() else None
    mode = POLICY.stat().st_mode if before is not None else 0
    try:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (
            ["apt-get", "update", "-qq"],
            ["apt-get", "install", "-qq", "--no-install-recommends", *packages],
        ):
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, check=False
            )
        return None if done.returncode == 0 else done.stderr.strip().splitlines()[-1]
    finally:
        if before is None:
            POLICY.unlink(missing_ok=True)
        else:
            POLICY.write_bytes(before)
            POLICY.chmod(mode)


if __name__ == "__main__":
    sys.exit(main())
