"""The account that ``serve`` runs as."""

import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import extauth_http
from extauth_http.service.listener import ServeError
from extauth_http.service.privileges import account_of
from tests.integration.program import EXECUTABLE, SECONDS
from tests.integration.service import Service
from tests.service.processes import ENVIRONMENT, ServeProcess

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change to an account")
NOBODY = "nobody"


def require_readable_program() -> None:
    """Skips the test if only the owner of a folder can read the program, as below ``/root``."""
    program = Path(extauth_http.__file__)
    if not all(folder.stat().st_mode & stat.S_IXOTH for folder in program.parents):
        pytest.skip(f"{NOBODY} cannot read {program}")


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every account can enter. The folders of pytest are for one account."""
    folder = Path(tempfile.mkdtemp(prefix="extauth-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def error_of(*arguments: str) -> str:
    done = subprocess.run(
        [EXECUTABLE, "serve", *arguments],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    return done.stderr


@needs_root
def test_root_must_name_the_account(tmp_path: Path) -> None:
    assert "use --user NAME" in error_of("--socket", str(tmp_path / "s"))
    assert not (tmp_path / "s").exists()


def test_an_account_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    error = error_of("--user", "no-such-account", "--socket", str(tmp_path / "s"))
    assert "--user no-such-account: this account does not exist" in error


def test_an_account_that_is_already_in_use_changes_nothing() -> None:
    assert account_of(pwd.getpwuid(os.geteuid()).pw_name) is None


def test_only_root_can_change_to_another_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(ServeError, match="only root"):
        account_of("root")


@needs_root
def test_the_processes_have_no_right_of_root_and_the_socket_is_for_the_account(
    public: Path, service: Service
) -> None:
    require_readable_program()
    config = f'[backend]\nkind = "rest"\nurl = "{service.url}"\n'
    nobody = pwd.getpwnam(NOBODY)
    (public / "serve.log").touch()
    os.chown(public / "serve.log", nobody.pw_uid, nobody.pw_gid)
    with ServeProcess(public, config, "--user", NOBODY) as serving:
        for pid in (serving.process.pid, *serving.workers()):
            status = dict(
                line.split(":\t", 1)
                for line in Path(f"/proc/{pid}/status").read_text().splitlines()
                if ":\t" in line
            )
            assert status["Uid"].split() == [str(nobody.pw_uid)] * 4
            assert status["Gid"].split() == [str(nobody.pw_gid)] * 4
            assert int(status["CapEff"], 16) == 0
        found = serving.socket.stat()
        assert (found.st_uid, found.st_gid) == (nobody.pw_uid, nobody.pw_gid)
        assert "config_loaded" in (public / "serve.log").read_text()


@needs_root
def test_the_configuration_is_read_with_the_rights_of_the_account(
    public: Path, service: Service
) -> None:
    """A plugin that the configuration names is never imported by root."""
    config = f'[backend]\nkind = "rest"\nurl = "{service.url}"\n'
    with ServeProcess(public, config, "--user", NOBODY) as serving:
        serving.config.chmod(0o600)
        assert serving.stop() == 0
        serving.start()
        assert "cannot be read: Permission denied" in serving.stderr_file.read_text()
