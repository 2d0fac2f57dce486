"""The configuration that ejabberd ships: what its modules need, and which modules it loads."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

FILE = "usr/share/ejabberd/ejabberd.yml.example"
RULES = ("acl", "access_rules", "shaper", "shaper_rules")
"""The options that the shipped modules refer to by name."""


def stock_modules(root: Path) -> Mapping[str, Mapping[str, Any]]:
    """The modules of the shipped file, and mod_register, which it has in a comment.

    mod_fail2ban is loaded but bans nobody: all clients of a test have the same address.
    """
    shipped = _shipped(root).get("modules", {})
    fail2ban = {"mod_fail2ban": {"access": "all"}} if "mod_fail2ban" in shipped else {}
    return {**shipped, **fail2ban, "mod_register": {}}


def stock_rules(root: Path) -> dict[str, Any]:
    """The access rules and shapers of the shipped file."""
    return {key: value for key, value in _shipped(root).items() if key in RULES}


def _shipped(root: Path) -> dict[str, Any]:
    """The shipped file. Empty if `root` has no ejabberd: its tests are skipped."""
    file = root / FILE
    found: dict[str, Any] = yaml.safe_load(file.read_text()) if file.exists() else {}
    return found
