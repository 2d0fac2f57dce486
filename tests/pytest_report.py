"""The counts in the JUnit XML report of a pytest run."""

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree


@dataclass(frozen=True)
class Counts:
    """How many tests passed, failed (errors included) and were skipped."""

    passed: int
    failed: int
    skipped: int


def read_counts(report: Path, exit_code: int) -> Counts:
    """The counts of one run.

    A run that ended with another exit code than 0 has at least one failure, even if it broke off
    before it could report one.
    """
    suite = ElementTree.parse(report).find("testsuite") if report.exists() else None
    count = {
        name: int(suite.get(name, 0)) if suite is not None else 0
        for name in ("tests", "failures", "errors", "skipped")
    }
    failed = count["failures"] + count["errors"]
    return Counts(
        passed=count["tests"] - failed - count["skipped"],
        failed=failed or int(exit_code != 0),
        skipped=count["skipped"],
    )
