"""The Debian package in each release: ``make deb-test``, or ``python -m tests.deb sid``.

For each release, ``make deb`` builds the last commit twice in a new Debian. Another new Debian,
with systemd and ejabberd, installs the first package, upgrades it to the second one, removes and
purges it, while ejabberd runs and clients log in. The releases stay in ``.cache/deb``; delete a
folder to make it again. The copies in which the commands run are deleted.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.booted_debian import BootedDebian, copy_root
from tests.deb_steps import Steps, only_alice
from tests.debian_root import NAMESPACES, SUITES, debian_root, require_root_and_debootstrap
from tests.fresh import CLONE, prepare, run
from tests.integration.service import Service

CACHE = Path(__file__).parents[1] / ".cache" / "deb"
PACKAGES = ("make", "git", "python3", "ca-certificates")
COMMIT = "git -c user.name=a -c user.email=a@localhost commit --quiet --allow-empty --message new"

# The Debian that boots has no network, so apt downloads what the package needs before. No service
# is started: this is not that Debian's boot yet. The clients of this test use no TLS.
INSTALL_SERVER = """
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
exec chroot "$1" sh -euc '
    export DEBIAN_FRONTEND=noninteractive
    printf "#!/bin/sh\\nexit 101\\n" > /usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
    apt-get --quiet update
    apt-get --quiet --yes --no-install-recommends install \\
        systemd-sysv ejabberd logrotate man-db bash-completion procps apparmor
    apt-get --quiet --yes --download-only install "$@"
    rm /usr/sbin/policy-rc.d
    sed -i "s/starttls_required: true/starttls_required: false/" /etc/ejabberd/ejabberd.yml
' "$@"
"""


def build(root: Path) -> tuple[Path, Path]:
    """Builds the last commit, and an empty commit after it."""
    prepare(root)
    for command in ("make deb", f"{COMMIT} && make deb"):
        if run(root, f"{command} > /root/build.log 2>&1"):
            sys.exit(f"deb: {command} failed:\n{(root / 'root/build.log').read_text()[-4000:]}")
    old, new = sorted((root / CLONE / "dist").glob("*.deb"))
    return old, new


def install_server(root: Path, packages: tuple[Path, Path]) -> None:
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    apt = 'Acquire::Check-Valid-Until "false";\n'
    (root / "etc/apt/apt.conf.d/80expired").write_text(apt)
    for package in packages:
        shutil.copy(package, root / "root")
    words = [str(root), *(f"/root/{package.name}" for package in packages[:1])]
    done = subprocess.run(
        [*NAMESPACES, "sh", "-euc", INSTALL_SERVER, "sh", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"deb: apt failed:\n{done.stdout[-4000:]}")


def try_release(suite: str) -> None:
    base = debian_root(suite, PACKAGES, CACHE)
    builder, server = CACHE / f"{suite}.builder", CACHE / f"{suite}.server"
    for root in (builder, server):
        shutil.rmtree(root, ignore_errors=True)
        copy_root(base, root)
    try:
        print(f"deb: {suite}: make deb", flush=True)
        packages = build(builder)
        print(f"deb: {suite}: {packages[0].name}", flush=True)
        install_server(server, packages)
        old, new = (package.name for package in packages)
        with (
            BootedDebian(server) as debian,
            debian.network(),
            Service(only_alice) as service,
        ):
            Steps(debian, service, old, new).run()
    finally:
        for root in (builder, server):
            shutil.rmtree(root, ignore_errors=True)


def main(suites: list[str]) -> int:
    require_root_and_debootstrap("deb")
    for suite in suites or SUITES:
        try_release(suite)
    print("deb: all steps succeeded")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
