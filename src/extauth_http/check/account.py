"""The account that ejabberd runs as, and what that one may do on this machine."""

import grp
import os
import pwd
import subprocess
from pathlib import Path
from typing import TypedDict

DEFAULT = "ejabberd"
"""The account of the packages."""

ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
"""What a program that ejabberd starts can count on, and not more."""

SECONDS = 10.0
"""How long one of the small programs below may take, on a network file system that hangs say."""


class Identity(TypedDict, total=False):
    """Arguments for subprocess that make a program run as somebody else."""

    user: int
    group: int
    extra_groups: list[int]


class AccountNotFoundError(Exception):
    """There is no account of that name."""


class Account:
    """Whom ejabberd runs as; ``can_become`` says whether this process can act as that one, and
    ``is_guessed`` that nobody said whom and there is no account ``ejabberd``: it is then whoever
    runs this.

    Raises NoAccount where it was asked for by name and is not there.
    """

    def __init__(self, name: str | None) -> None:
        self.is_guessed = False
        try:
            entry = pwd.getpwnam(name or DEFAULT)
        except KeyError:
            if name:
                raise AccountNotFoundError(f"no account is called {name}") from None
            entry = _of_this_process()
            self.is_guessed = True
        self.name = entry.pw_name
        self.is_self = entry.pw_uid == os.geteuid()
        self.can_become = self.is_self or os.geteuid() == 0
        self.home = entry.pw_dir
        self.uid = entry.pw_uid
        self.gid = entry.pw_gid

    @property
    def group(self) -> str:
        """The name of its group, or the number where that has none."""
        try:
            return grp.getgrgid(self.gid).gr_name
        except KeyError:
            return str(self.gid)

    @property
    def runs_as(self) -> str:
        """Whom a program that is started here runs as."""
        return self.name if self.can_become else _of_this_process().pw_name

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
        return self.run("test", test, str(path.absolute())) is not None

    def run(self, *words: str) -> bytes | None:
        """What a program prints when this account runs it, None where it fails or takes long."""
        try:
            ended = subprocess.run(
                words,
                cwd="/",
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=SECONDS,
                check=False,
                **self.identity,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return ended.stdout if ended.returncode == 0 else None


def _of_this_process() -> pwd.struct_passwd:
    """A container may run as a number that has no account."""
    uid = os.geteuid()
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        return pwd.struct_passwd((str(uid), "", uid, os.getegid(), "", "/", ""))
