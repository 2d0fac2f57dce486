"""The account that ``serve`` runs as. Root is given up before anything of it is at risk.

The configuration can name plugins, which are imported with all rights of the process, and a log
file in a folder of another account. So a process of root first creates the socket, and then changes
to the account of ``--user``, before it reads the configuration.
"""

import os
import pwd
from dataclasses import dataclass

from extauth_http.service.listener import ServeError


@dataclass(frozen=True, slots=True)
class Account:
    """A user and its groups."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]


def account_of(user: str | None) -> Account | None:
    """The account to change to; None if this process keeps its own.

    Raises ServeError if the process is root and ``user`` is not given, if there is no such
    account, or if this process cannot change to it.
    """
    if user is None:
        if os.geteuid() == 0:
            raise ServeError(
                "serve does not run as root unless you say so: use --user NAME, such as "
                "--user extauth-http, or the systemd unit; --user root keeps root"
            )
        return None
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise ServeError(f"--user {user}: this account does not exist") from None
    if entry.pw_uid == os.geteuid():
        return None
    if os.geteuid() != 0:
        raise ServeError(f"--user {user}: only root can change to another account")
    groups = os.getgrouplist(entry.pw_name, entry.pw_gid)
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, tuple(groups))


def change_to(account: Account) -> None:
    """Gives up all rights of root, for good. Raises ServeError if that fails."""
    try:
        os.setgroups(account.groups)
        os.setresgid(account.gid, account.gid, account.gid)
        os.setresuid(account.uid, account.uid, account.uid)
    except OSError as error:
        raise ServeError(f"--user {account.name}: {error.strerror}") from None
    if os.getresuid() != (account.uid,) * 3 or os.getresgid() != (account.gid,) * 3:
        raise ServeError(f"--user {account.name}: the process could not change to this account")
    try:
        os.setuid(0)
    except OSError:
        return
    raise ServeError(f"--user {account.name}: the process could still become root again")
