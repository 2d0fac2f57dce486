"""The e2e tests on each ejabberd that Debian has: `make matrix`, or with pytest's options
`python -m tests.matrix -k login`.

Only ejabberd comes from the other release, started there under chroot; the tests, the program and
its Python are this machine's. The releases stay in `.cache/matrix`: delete a folder to renew it.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

from rich.console import Console
from rich.table import Table

from tests.install_ejabberd import EJABBERD_APP

SUITES = ("bookworm", "trixie", "sid")
CACHE = Path(__file__).parents[1] / ".cache" / "matrix"
OUTCOMES = ("passed", "failed", "skipped")

# What debootstrap mounts or starts goes when it does.
APART = ("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child")


def mirror() -> str:
    """The address that this machine's own apt takes Debian from."""
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
        sys.exit("matrix: apt knows no mirror of Debian here; `apt-get update` may be missing")
    return addresses[0]


def release(suite: str) -> Path:
    """The root of a Debian release with ejabberd in it, made where it is not there yet."""
    root = CACHE / suite
    if not root.exists():
        print(f"matrix: {suite} into {root}", flush=True)
        unfinished = CACHE / f"{suite}.unfinished"
        if unfinished.exists():
            shutil.rmtree(unfinished)
        CACHE.mkdir(parents=True, exist_ok=True)
        debootstrap = ["debootstrap", "--variant=minbase", "--include=ejabberd,erlang-p1-oauth2"]
        command = [*APART, *debootstrap, suite, str(unfinished), mirror()]
        made = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if made.returncode:
            sys.exit(f"matrix: debootstrap {suite} failed:\n{made.stdout[-2000:]}")
        unfinished.rename(root)
    return root


def version(root: Path) -> str:
    app = next(root.glob(EJABBERD_APP)).read_text()
    found = re.search(r'{vsn,\s*"([^"]+)"}', app)
    return found[1] if found else "?"


def run(root: Path, options: list[str]) -> dict[str, int]:
    """How many tests passed, failed and were skipped on the ejabberd of this root."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        pytest = [sys.executable, "-m", "pytest", "-m", "e2e", f"--junit-xml={report}"]
        # With CI=true a missing ejabberd fails.
        environment = {**os.environ, "CI": "true", "EJABBERD_TEST_ROOT": str(root)}
        ended = subprocess.run([*pytest, *options], env=environment, check=False)
        suite = ElementTree.parse(report).find("testsuite") if report.exists() else None
    count = {
        name: int(suite.get(name, 0)) if suite is not None else 0
        for name in ("tests", "failures", "errors", "skipped")
    }
    failed = count["failures"] + count["errors"]
    return {
        "passed": count["tests"] - failed - count["skipped"],
        # pytest that broke off, or found no test, is no pass either.
        "failed": failed or int(ended.returncode != 0),
        "skipped": count["skipped"],
    }


def main(options: list[str]) -> int:
    if os.geteuid() != 0:
        sys.exit("matrix: needs root, for chroot")
    if not shutil.which("debootstrap"):
        sys.exit("matrix: needs debootstrap: apt-get install debootstrap")
    table = Table("Debian", "ejabberd")
    for outcome in OUTCOMES:
        table.add_column(outcome, justify="right")
    failed = 0
    for suite in SUITES:
        root = release(suite)
        print(f"matrix: ejabberd {version(root)} ({suite})", flush=True)
        outcomes = run(root, options)
        failed += outcomes["failed"]
        table.add_row(suite, version(root), *(str(outcomes[outcome]) for outcome in OUTCOMES))
    Console().print(table)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
