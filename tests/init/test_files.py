"""The files of ``init``: who can read them, and what is never replaced."""

import os
import stat
from pathlib import Path

import pytest

from extauth_http.check.account import Account
from extauth_http.init.files import InitError, check_is_writable, write_file
from tests.check.checking import ME

OTHER_GROUP = 65_534


@pytest.fixture
def account() -> Account:
    return Account(ME)


def test_a_file_is_readable_for_the_group_and_not_for_others(
    tmp_path: Path, account: Account
) -> None:
    if os.geteuid() == 0:
        account.gid = OTHER_GROUP
    before = os.umask(0)
    try:
        write_file(tmp_path / "f", "text\n", account)
    finally:
        os.umask(before)
    found = (tmp_path / "f").stat()
    assert stat.S_IMODE(found.st_mode) == 0o640
    assert (found.st_uid, found.st_gid) == (os.geteuid(), account.gid)
    assert (tmp_path / "f").read_text() == "text\n"
    assert os.listdir(tmp_path) == ["f"]


@pytest.mark.parametrize("is_link", [False, True])
def test_an_existing_file_is_kept(tmp_path: Path, account: Account, is_link: bool) -> None:
    target = tmp_path / "target"
    target.write_text("kept")
    file = tmp_path / "f"
    file.symlink_to(target) if is_link else file.write_text("kept")
    with pytest.raises(InitError, match="exists"):
        write_file(file, "text\n", account)
    assert file.read_text() == "kept"
    write_file(file, "text\n", account, overwrite=True)
    assert file.read_text() == "text\n"
    assert not file.is_symlink()
    assert target.read_text() == "kept"
    assert sorted(os.listdir(tmp_path)) == ["f", "target"]


def test_a_missing_folder_is_an_error(tmp_path: Path, account: Account) -> None:
    with pytest.raises(InitError, match="does not exist"):
        check_is_writable(tmp_path / "none" / "f", account)
