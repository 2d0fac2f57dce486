"""The README's two commands on a new Debian: ``make fresh``, or ``python -m tests.fresh sid``.

Each release is a minimal Debian with make, git, python3 and python3-venv. The last commit is cloned
into it, then ``make demo`` and ``make test`` run there as root. Nothing of this machine is used but
its kernel, its network and the configuration of pip. The releases stay in ``.cache/fresh``; delete
a folder to make it anew. The copy in which the commands run is deleted.
"""

import configparser
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table

from tests.debian_root import NAMESPACES, SUITES, debian_root, require_root_and_debootstrap
from tests.install_packages import EJABBERD_APP
from tests.matrix import version
from tests.pytest_report import Counts, read_counts

PROJECT = Path(__file__).parents[1]
CACHE = PROJECT / ".cache" / "fresh"
PACKAGES = ("make", "git", "python3", "python3-venv")
CLONE = Path("srv/extauth-http")  # within the root; every account can read it
REPORT = Path("root/report.xml")

# Debian's pip reads these.
PIP_CONFIGURATION = (
    Path("/etc/xdg/pip/pip.conf"),
    Path("/etc/pip.conf"),
    Path("~/.pip/pip.conf").expanduser(),
    Path("~/.config/pip/pip.conf").expanduser(),
)

# The first argument is the root; those that follow are folders that pip reads, up to "--".
ENTER = """
root=$1
shift
mount --bind "$root" "$root" # a test that mounts needs a root that is a mount point
while [ "$1" != -- ]; do
    mkdir -p "$root$1"
    mount --rbind "$1" "$root$1"
    mount -o remount,bind,ro "$root$1"
    shift
done
shift
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
exec chroot "$root" "$@"
"""


def pip_environment() -> dict[str, str]:
    """The variables that pip reads: its own and those of a proxy."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith("PIP_") or name.lower().endswith("_proxy")
    }


def pip_paths() -> Iterator[Path]:
    """The files and folders of this machine that pip's configuration names."""
    values = list(pip_environment().values())
    for file in filter(Path.exists, PIP_CONFIGURATION):
        configuration = configparser.RawConfigParser()
        configuration.read(file)
        values += [value for section in configuration.values() for value in section.values()]
    for word in " ".join(values).split():
        url = urlsplit(word)
        path = Path(url.path)
        if url.scheme in ("", "file") and path.is_absolute() and path.exists():
            # The pages of a local index ("…/simple") link to files beside them.
            yield path.parent if path.name == "simple" and path.parent.name else path


def copy_into(root: Path, file: Path) -> None:
    """Copies a file of this machine to the same path in the root; root's home is /root there."""
    home = Path.home()
    within = Path("/root", file.relative_to(home)) if file.is_relative_to(home) else file
    target = root / within.relative_to("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, target)


def prepare(root: Path) -> None:
    """Clones the last commit into the root and configures pip, ``localhost`` and apt there."""
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
    # A mirror may be a copy of an earlier day, whose lists of packages have expired.
    apt = 'Acquire::Check-Valid-Until "false";\n'
    (root / "etc/apt/apt.conf.d/80expired").write_text(apt)
    for file in {*filter(Path.exists, PIP_CONFIGURATION), *filter(Path.is_file, pip_paths())}:
        copy_into(root, file)
    clone = ["git", "clone", "--quiet", str(PROJECT), str(root / CLONE)]
    subprocess.run(clone, check=True)


def run(root: Path, command: str) -> int:
    """Runs a shell command in the clone and returns its exit code."""
    folders = sorted({str(path) for path in pip_paths() if path.is_dir()})
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "CI": "true",  # a test that is skipped because a package is missing is a failure
        "PYTEST_ADDOPTS": f"--junit-xml=/{REPORT}",
        **pip_environment(),
    }
    shell = ["sh", "-c", f"cd {shlex.quote(f'/{CLONE}')} && {command}"]
    enter = [*NAMESPACES, "sh", "-euc", ENTER, "sh", str(root), *folders, "--", *shell]
    return subprocess.run(enter, env=environment, stdin=subprocess.DEVNULL, check=False).returncode


def python_version(root: Path) -> str:
    """The version of Debian's Python in a root, such as ``3.11``."""
    return os.readlink(root / "usr/bin/python3").removeprefix("python")


def try_release(suite: str) -> tuple[str, str, bool, Counts]:
    """The versions of Python and ejabberd, whether ``make demo`` succeeded, and ``make test``."""
    base = debian_root(suite, PACKAGES, CACHE)
    root = CACHE / f"{suite}.running"
    if root.exists():
        shutil.rmtree(root)
    try:
        subprocess.run(["cp", "--archive", "--reflink=auto", str(base), str(root)], check=True)
        prepare(root)
        print(f"fresh: make demo on {suite}", flush=True)
        demo = run(root, "make demo") == 0
        print(f"fresh: make test on {suite}", flush=True)
        exit_code = run(root, "make test")
        ejabberd = version(root) if any(root.glob(EJABBERD_APP)) else "none"
        return python_version(root), ejabberd, demo, read_counts(root / REPORT, exit_code)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def main(suites: list[str]) -> int:
    require_root_and_debootstrap("fresh")
    table = Table("Debian", "Python", "ejabberd", "make demo")
    for outcome in ("passed", "failed", "skipped"):
        table.add_column(outcome, justify="right")
    failed = 0
    for suite in suites or SUITES:
        python, ejabberd, demo, counts = try_release(suite)
        failed += counts.failed + int(not demo)
        demo_outcome = "passed" if demo else "failed"
        table.add_row(suite, python, ejabberd, demo_outcome, *map(str, astuple(counts)))
    Console().print(table)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
