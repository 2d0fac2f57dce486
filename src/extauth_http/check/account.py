"""The account that ejabberd runs as, and what it can do on this machine."""

import grp
import os
import pwd
import subprocess
from pathlib import Path
from typing import TypedDict

DEFAULT = "ejabberd"
"""The account that the packages of ejabberd create."""

ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
"""All that a program started by ejabberd can rely on."""

TIMEOUT = 10.0
"""Seconds for each of the small programs below; a network file system may hang."""


class Identity(TypedDict, total=False):
    """Arguments of subprocess that start a program as another account."""

    user: int
    group: int
    extra_groups: list[int]


class AccountNotFoundError(Exception):
    """There is no account with this name."""


class Account:
    """The account of ejabberd.

    ``can_become`` says whether this process can start programs as this account. ``is_guessed``
    says that no name was given and there is no account ``ejabberd``, so that this is the account
    of this process.

    Raises AccountNotFoundError if there is no account with the given name.
    """

    def __init__(self, name: str | None) -> None:
        self.is_guessed = False
        try:
            entry = pwd.getpwnam(name or DEFAULT)
        except KeyError:
            if name:
                raise AccountNotFoundError(f"there is no account {name}") from None
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
        """The name of its group, or the number if the group has no name."""
        try:
            return grp.getgrgid(self.gid).gr_name
        except KeyError:
            return str(self.gid)

    @property
    def runs_as(self) -> str:
        """The name of the account that a program started here runs as."""
        return self.name if self.can_become else _of_this_process().pw_name

    @property
    def identity(self) -> Identity:
        """Empty if nothing has to change or this process may not change it."""
        if self.is_self or not self.can_become:
            return {}
        groups = os.getgrouplist(self.name, self.gid)
        return {"user": self.uid, "group": self.gid, "extra_groups": groups}

    @property
    def environment(self) -> dict[str, str]:
        return {**ENVIRONMENT, "HOME": self.home}

    def can(self, test: str, path: Path) -> bool:
        """Whether ``test -r`` (or ``-w``, ``-x``, ``-e``, ``-d``) is true for this account.
        ``test`` respects access control lists as well."""
        return self.run("test", test, str(path.absolute())) is not None

    def run(self, *words: str) -> bytes | None:
        """The output of a program that runs as this account; None if it fails or takes longer
        than TIMEOUT."""
        try:
            ended = subprocess.run(
                words,
                cwd="/",
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=TIMEOUT,
                check=False,
                **self.identity,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return ended.stdout if ended.returncode == 0 else None


def _of_this_process() -> pwd.struct_passwd:
    """A process in a container may have a number without an account."""
    uid = os.geteuid()
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        return pwd.struct_passwd((str(uid), "", uid, os.getegid(), "", "/", ""))
