"""The files that ``init`` writes: mode 0640, and the group of ejabberd's account."""

import os
import secrets
from pathlib import Path

from extauth_http.check.account import Account


class InitError(Exception):
    """``init`` cannot write a usable configuration. The message contains no secret."""


def check_is_writable(file: Path, account: Account) -> None:
    """Raises InitError if this process cannot create the file for ejabberd's account."""
    if not file.parent.is_dir():
        raise InitError(f"the folder {file.parent} does not exist")
    if os.geteuid() != 0 and account.gid not in {os.getegid(), *os.getgroups()}:
        raise InitError(f"run this as root: {file} needs the group {account.group}")
    if not os.access(file.parent, os.W_OK):
        raise InitError(f"this account cannot write to {file.parent}")


def write_file(file: Path, text: str, account: Account, *, overwrite: bool = False) -> None:
    """Writes a file that the group of ``account`` can read, and others cannot.

    The file appears complete or not at all. A symbolic link is not followed: with ``overwrite``
    it is replaced, and otherwise it is an existing file. Raises InitError.
    """
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    try:
        _write_new(temporary, text, account.gid)
        if overwrite:
            temporary.replace(file)
        else:
            file.hardlink_to(temporary)
    except FileExistsError:
        raise InitError(f"{file} exists. It was not changed") from None
    except OSError as error:
        raise InitError(f"cannot write {file}: {error.strerror}") from None
    finally:
        temporary.unlink(missing_ok=True)


def _write_new(file: Path, text: str, group: int) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as opened:  # noqa: PTH123 - a descriptor
        os.fchown(descriptor, -1, group)
        os.fchmod(descriptor, 0o640)
        opened.write(text)
        opened.flush()
        os.fsync(descriptor)
