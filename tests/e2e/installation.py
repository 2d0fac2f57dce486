"""The ejabberd that the tests run: its folder, its release, and the configuration that it ships."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.install_packages import EJABBERD_APP

ROOT = Path(os.environ.get("EJABBERD_TEST_ROOT", "/")).absolute()
SHIPPED = "usr/share/ejabberd/ejabberd.yml.example"
RULES = ("acl", "access_rules", "shaper", "shaper_rules")
"""The options that the shipped modules refer to by name."""


def ebin(root: Path = ROOT) -> str | None:
    """The folder of ejabberd's beam files, as a path within `root`; None if there is none."""
    found = sorted(root.glob(EJABBERD_APP))
    return f"/{found[0].parent.relative_to(root)}" if found else None


VERSION = tuple(map(int, re.findall(r"\d+", (ebin() or "").partition("ejabberd-")[2])[:2]))
"""Year and month of the release: (23, 1) for 23.01. Empty if there is no ejabberd."""


def stock_modules(root: Path) -> Mapping[str, Mapping[str, Any]]:
    """The modules of the shipped file, and mod_register, which it has in a comment.

    mod_fail2ban is loaded but bans nobody: all clients of a test have the same address.
    """
    shipped = _shipped(root).get("modules", {})
    fail2ban = {"mod_fail2ban": {"access": "all"}} if "mod_fail2ban" in shipped else {}
    return {**shipped, **fail2ban, "mod_register": {}}


def with_stock_rules(root: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options, and the access rules and shapers of the shipped file. Rules are merged by name."""
    rules = {key: value for key, value in _shipped(root).items() if key in RULES}
    merged = {key: {**rules[key], **options[key]} for key in rules.keys() & options.keys()}
    return {**rules, **options, **merged}


def _shipped(root: Path) -> dict[str, Any]:
    """The shipped file. Empty if `root` has no ejabberd: its tests are skipped."""
    file = root / SHIPPED
    found: dict[str, Any] = yaml.safe_load(file.read_text()) if file.exists() else {}
    return found
