"""The end-to-end tests on the ejabberd of each Debian release: ``make matrix``, or with options of
pytest ``python -m tests.matrix -k login``.

Only ejabberd comes from the other release and runs there under chroot. The tests, the program and
its Python are those of this machine. The releases stay in ``.cache/matrix``; delete a folder to
make it anew.
"""

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import astuple
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.debian_root import SUITES, debian_root, require_root_and_debootstrap
from tests.install_packages import EJABBERD_APP
from tests.pytest_report import Counts, read_counts

CACHE = Path(__file__).parents[1] / ".cache" / "matrix"
PACKAGES = ("ejabberd", "erlang-p1-oauth2", "prosody")


def version(root: Path) -> str:
    """The version of the ejabberd in a root."""
    app = next(root.glob(EJABBERD_APP)).read_text()
    found = re.search(r'{vsn,\s*"([^"]+)"}', app)
    return found[1] if found else "?"


def run(root: Path, options: list[str]) -> Counts:
    """Runs the end-to-end tests on the ejabberd of this root."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        pytest = [sys.executable, "-m", "pytest", "-m", "e2e", f"--junit-xml={report}"]
        # With CI=true a missing ejabberd is a failure.
        environment = {**os.environ, "CI": "true", "EJABBERD_TEST_ROOT": str(root)}
        ended = subprocess.run([*pytest, *options], env=environment, check=False)
        return read_counts(report, ended.returncode)


def main(options: list[str]) -> int:
    require_root_and_debootstrap("matrix")
    table = Table("Debian", "ejabberd")
    for outcome in ("passed", "failed", "skipped"):
        table.add_column(outcome, justify="right")
    failed = 0
    for suite in SUITES:
        root = debian_root(suite, PACKAGES, CACHE)
        print(f"matrix: ejabberd {version(root)} ({suite})", flush=True)
        counts = run(root, options)
        failed += counts.failed
        table.add_row(suite, version(root), *map(str, astuple(counts)))
    Console().print(table)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
