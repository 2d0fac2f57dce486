"""The account that ejabberd runs as, and what that one may do on this machine."""

import os
import pwd
import subprocess
from pathlib import Path
from typing import TypedDict

DEFAULT = "ejabberd"

ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
"""What a program that ejabberd starts can count on, and not more."""


class Identity(TypedDict, total=False):
    """Arguments for subprocess that make a program run as somebody else."""

    user: int
    group: int
    extra_groups: list[int]


class NoAccount(Exception):  # noqa: N818 - it is what was found
    """There is no account of that name."""


class Account:
    """Whom ejabberd runs as; ``can_become`` says whether this process can act as that one.

    Raises NoAccount where it was asked for by name and is not there.
    """

    def __init__(self, name: str | None) -> None:
        try:
            entry = pwd.getpwnam(name or DEFAULT)
        except KeyError:
            if name:
                raise NoAccount(f"no account is called {name}") from None
            entry = pwd.getpwuid(os.geteuid())
        self.name = entry.pw_name
        self.is_self = entry.pw_uid == os.geteuid()
        self.can_become = self.is_self or os.geteuid() == 0
        self.home = entry.pw_dir
        self.uid = entry.pw_uid
        self.gid = entry.pw_gid

    @property
    def runs_as(self) -> str:
        """Whom a program that is started here runs as."""
        return self.name if self.can_become else pwd.getpwuid(os.geteuid()).pw_name

    @property
    def identity(self) -> Identity:
        """Empty where there is nothing to change, or no right to."""
        if self.is_self or not self.can_become:
            return {}
        groups = os.getgrouplist(self.name, self.gid)
        return {"user": self.uid, "group": self.gid, "extra_groups": groups}

    @property
    def environment(self) -> dict[str, str]:
        return {**ENVIRONMENT, "HOME": self.home}

    def can(self, test: str, path: Path) -> bool:
        """Whether ``test -r`` (or ``-w``, ``-x``) says yes for this account, with whatever access
        lists the machine has."""
        asked = subprocess.run(
            ["test", test, str(path)],
            cwd="/",
            env=self.environment,
            check=False,
            **self.identity,
        )
        return asked.returncode == 0
